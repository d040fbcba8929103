"""Chromosomes, and what people and classifiers say of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from client.records.base import Record
from client.records.filters import FilterScore
from client.records.generation import Synthetic

CropClass = Literal["normal", "aberration", "excluded"]
CropOrigin = Literal["segmented", "imported", "generated", "simulated"]
CropSort = Literal["id", "-probability", "probability"]
PredictedClass = Literal["normal", "aberration"]


class Prediction(Record):
    """A classifier's probabilities for a crop."""

    classifier: str
    predicted_class: str = Field(alias="class")
    probabilities: dict[str, float] = Field(default_factory=dict)
    job_id: str | None = None
    at: datetime | None = None


class Crop(Record):
    """One chromosome cut out of a metaphase (or imported, or generated).

    Attributes
    ----------
    crop_class
        A person's newest verdict.
    predicted_class, probability
        The newest prediction; `probability` is that of an aberration.
    predictions
        What every classifier said, newest last.
    filter_scores
        What every job's filter said, newest last.
    synthetic
        How a generated crop was made; None for real ones.
    """

    id: str
    origin: str
    image_id: str | None = None
    sample: str | None = None
    job_id: str | None = None
    source_crop_id: str | None = None
    label: int | None = None
    bbox: tuple[int, ...] = ()
    area_px: int = 0
    orientation_deg: float | None = None
    length_px: float | None = None
    width_px: float | None = None
    flags: tuple[str, ...] = ()
    crop_class: str | None = Field(default=None, alias="class")
    predicted_class: str | None = None
    probability: float | None = None
    predictions: tuple[Prediction, ...] = ()
    filter_scores: tuple[FilterScore, ...] = ()
    synthetic: Synthetic | None = None


# A table has an empty cell where JSON has null.
_Cell = BeforeValidator(lambda text: None if text == "" else text)


class PredictedCrop(Record):
    """A row of a job's table of predictions; `probability` is that of an aberration."""

    crop_id: str
    classifier: str
    predicted_class: str
    probability: float
    origin: str | None = None
    image_id: Annotated[str | None, _Cell] = None
    sample: Annotated[str | None, _Cell] = None
    slide: Annotated[str | None, _Cell] = None
    filename: Annotated[str | None, _Cell] = None
    label: Annotated[int | None, _Cell] = None
    area_px: Annotated[int | None, _Cell] = None
    flags: str = ""
    annotated_class: Annotated[str | None, _Cell] = None


class Embedding(Record):
    """A crop as a classifier version sees it: 512 numbers."""

    classifier: str
    job_id: str
    embedding: tuple[float, ...]


class Neighbour(Record):
    """A crop that looks alike to a classifier, and how far away it lies."""

    crop_id: str
    distance: float
    crop_class: str | None = Field(default=None, alias="class")
    predicted_class: str | None = None
    probability: float | None = None
    sample: str | None = None
    origin: str | None = None


class Reason(Record):
    """Why a crop may be no good example: what was measured, and the limit that it passes."""

    code: str
    detail: str = ""
    value: Any = None
    limit: Any = None


class Suggestion(Record):
    """A crop that a person may want to exclude; nothing happens by itself."""

    crop_id: str
    reasons: tuple[Reason, ...] = ()
