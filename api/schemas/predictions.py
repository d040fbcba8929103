"""What classifiers said: predictions, embeddings, neighbours."""

from __future__ import annotations

from datetime import datetime

from pydantic import ConfigDict, Field, field_validator

from api.schemas.common import View
from services.crops.types import CropClass, CropOrigin
from services.predictions.types import PredictedClass


class ProbabilitiesView(View):
    """Calibrated probabilities; they add up to 1."""

    normal: float
    aberration: float


class PredictionView(View):
    """What one job's classifier said of a crop."""

    classifier: str = Field(description="The exact `name/version`.")
    predicted_class: PredictedClass = Field(serialization_alias="class")
    probabilities: ProbabilitiesView
    job_id: str
    at: datetime


class EmbeddingView(View):
    """A crop as a classifier sees it: what its last layer but one gives out."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "classifier": "translocation/1",
                "job_id": "job_01k9zt3v5e8w2hq4x7c1n6m0bd",
                "embedding": [0.125, 0.0, 1.75],
            }
        }
    )

    classifier: str = Field(description="The exact `name/version`.")
    job_id: str = Field(description="The job that made it.")
    embedding: list[float] = Field(description="512 numbers, exact 32-bit floats.")

    @field_validator("embedding", mode="before")
    @classmethod
    def _from_array(cls, value: object) -> object:
        return value.tolist() if hasattr(value, "tolist") else value


class NeighbourView(View):
    """A crop that looks alike to a classifier."""

    crop_id: str
    distance: float = Field(description="Euclidean, between embeddings.")
    crop_class: CropClass | None = Field(serialization_alias="class", description="The newest verdict.")
    predicted_class: PredictedClass = Field(description="By this classifier.")
    probability: float = Field(description="Of an aberration, by this classifier.")
    sample: str | None
    origin: CropOrigin


class NeighboursView(View):
    """The nearest crops, nearest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "items": [
                    {
                        "crop_id": "crop_01k9zt3v5e8w2hq4x7c1n6m0be",
                        "distance": 3.25,
                        "class": "aberration",
                        "predicted_class": "aberration",
                        "probability": 0.91,
                        "sample": "S26-001234",
                        "origin": "segmented",
                    }
                ]
            }
        }
    )

    items: list[NeighbourView]
