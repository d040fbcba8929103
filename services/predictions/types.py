"""Values of the room: predictions, embeddings, neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

PredictedClass = Literal["normal", "aberration"]
EMBEDDING_DIMENSIONS: Final = 512


@dataclass(frozen=True)
class NewPrediction:
    """One crop's outcome, about to be recorded; `probability` is that of an aberration."""

    crop_id: str
    predicted_class: PredictedClass
    probability: float


@dataclass(frozen=True)
class Prediction(NewPrediction):
    """What one job's classifier, an exact ``name/version``, said of a crop."""

    job_id: str
    classifier: str
    at: datetime

    @property
    def probabilities(self) -> dict[str, float]:
        """Both classes; they add up to 1."""
        return {"normal": 1.0 - self.probability, "aberration": self.probability}


@dataclass(frozen=True)
class PredictionTotals:
    """Sums over the crops of one job."""

    crops: int
    normal: int
    aberration: int


@dataclass(frozen=True)
class EmbeddingSet:
    """Where the embeddings of one job lie: a (num_rows, dimensions) float32 array object."""

    job_id: str
    classifier: str
    object_key: str
    sha256: str
    num_rows: int
    dimensions: int = EMBEDDING_DIMENSIONS


@dataclass(frozen=True)
class EmbeddingPlace:
    """Which row of which set is a crop's embedding."""

    embeddings: EmbeddingSet
    row: int


@dataclass(frozen=True)
class CropEmbedding:
    """A crop's embedding, (512,) float32, and the job that made it."""

    classifier: str
    job_id: str
    embedding: NDArray[np.float32]


@dataclass(frozen=True)
class Neighbour:
    """A crop near another one in one classifier version's embedding.

    Attributes
    ----------
    distance
        Euclidean.
    crop_class
        The newest verdict of a person.
    predicted_class, probability
        By that classifier version, in the job that made the embedding.
    """

    crop_id: str
    distance: float
    crop_class: str | None
    predicted_class: str
    probability: float
    sample: str | None
    origin: str


@dataclass(frozen=True)
class NeighbourFilter:
    """Which crops may be neighbours; None means any."""

    sample: str | None = None
    job_id: str | None = None
    origin: str | None = None


@dataclass(frozen=True)
class ExportRow:
    """One line of an export: the crop, where it comes from, and what was said of it."""

    crop_id: str
    origin: str
    image_id: str | None
    sample: str | None
    slide: str | None
    filename: str | None
    label: int | None
    bbox: Sequence[int]
    area_px: int
    flags: Sequence[str]
    classifier: str
    predicted_class: str
    probability: float
    annotated_class: str | None
    at: datetime
    position: int
    embedding_row: int | None

    @property
    def cells(self) -> dict[str, Any]:
        """The columns of an export by their names, in their order."""
        y0, x0, y1, x1 = self.bbox
        return {
            "crop_id": self.crop_id,
            "origin": self.origin,
            "image_id": self.image_id,
            "sample": self.sample,
            "slide": self.slide,
            "filename": self.filename,
            "label": self.label,
            "y0": y0,
            "x0": x0,
            "y1": y1,
            "x1": x1,
            "area_px": self.area_px,
            "flags": ";".join(self.flags),
            "classifier": self.classifier,
            "predicted_class": self.predicted_class,
            "probability": self.probability,
            "annotated_class": self.annotated_class,
            "at": self.at,
        }
