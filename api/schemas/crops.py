"""Crops and a person's verdicts on them."""

from __future__ import annotations

from datetime import datetime

from pydantic import ConfigDict, Field

from api.schemas.common import Body, Line, View
from api.schemas.filters import FILTER_SCORE_EXAMPLE, FilterScoreView
from api.schemas.predictions import PredictionView
from services.crops.types import CropClass, CropOrigin
from services.predictions.types import PredictedClass


class AnnotationRequest(Body):
    """A verdict."""

    model_config = ConfigDict(json_schema_extra={"example": {"class": "aberration", "annotator": "m.koch"}})

    crop_class: CropClass = Field(alias="class", description="What the chromosome is.")
    annotator: Line = Field(description="Who says so.")


class AnnotationView(View):
    """A verdict that was given."""

    crop_class: CropClass = Field(serialization_alias="class")
    annotator: str
    at: datetime


class SyntheticView(View):
    """How a generated crop was made; with the same values it can be made again."""

    source_crop_id: str = Field(description="The real crop whose DAPI channel it has.")
    generator: str = Field(description="Exact `name/version`.")
    seed: int = Field(description="Of the job.")
    sample_number: int = Field(description="0, 1, … counts the samples of one source within the job.")
    canvas_scale: float = Field(description="Pixels of its picture per pixel of the source's image.")


class CropView(View):
    """One chromosome."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "crop_01k9zt3v5e8w2hq4x7c1n6m0bc",
                "origin": "segmented",
                "image_id": "img_01k9zt3v5e8w2hq4x7c1n6m0bb",
                "sample": "S26-001234",
                "job_id": "job_01k9zt3v5e8w2hq4x7c1n6m0bd",
                "source_crop_id": None,
                "label": 7,
                "bbox": [120, 88, 171, 109],
                "area_px": 640,
                "orientation_deg": 78.5,
                "length_px": 50.2,
                "width_px": 16.4,
                "flags": ["touching"],
                "class": "normal",
                "annotations": [{"class": "normal", "annotator": "m.koch", "at": "2026-11-02T09:00:00Z"}],
                "predicted_class": "normal",
                "probability": 0.03,
                "predictions": [
                    {
                        "classifier": "translocation/1",
                        "class": "normal",
                        "probabilities": {"normal": 0.97, "aberration": 0.03},
                        "job_id": "job_01k9zt3v5e8w2hq4x7c1n6m0bf",
                        "at": "2026-11-02T08:20:00Z",
                    }
                ],
                "filter_scores": [FILTER_SCORE_EXAMPLE],
                "synthetic": None,
                "created_at": "2026-11-02T08:16:00Z",
            }
        }
    )

    id: str
    origin: CropOrigin
    image_id: str | None
    sample: str | None
    job_id: str | None
    source_crop_id: str | None = Field(description="Of a generated crop: the real one it was made from.")
    label: int | None = Field(description="Its number in the masks.")
    bbox: tuple[int, int, int, int] = Field(
        description="y0, x0, y1, x1 in pixels of the image (of a generated crop: of its picture), half-open."
    )
    area_px: int
    orientation_deg: float | None = Field(description="Long axis against the rows, counter-clockwise.")
    length_px: float | None
    width_px: float | None
    flags: list[str] = Field(description="Among touching, overlapping, border, saturated.")
    crop_class: CropClass | None = Field(serialization_alias="class", description="The newest verdict.")
    annotations: list[AnnotationView] = Field(description="Every verdict, oldest first.")
    predicted_class: PredictedClass | None = Field(description="By the newest prediction.")
    probability: float | None = Field(description="Of an aberration, by the newest prediction.")
    predictions: list[PredictionView] = Field(description="What every classifier said, newest last.")
    filter_scores: list[FilterScoreView] = Field(description="What every filter said, newest last.")
    synthetic: SyntheticView | None = Field(description="How it was made; null for real crops.")
    created_at: datetime
