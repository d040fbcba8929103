"""What is known about one crop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from services.filtering.decisions import Decision
from services.filtering.types import FilterScore
from services.generation.types import Synthetic
from services.predictions.types import Prediction

CropOrigin = Literal["segmented", "imported", "generated", "simulated"]
CropClass = Literal["normal", "aberration", "excluded"]
CROP_CLASSES: tuple[str, ...] = get_args(CropClass)
CropSort = Literal["id", "-probability", "probability"]


@dataclass(frozen=True)
class Annotation:
    """A person's verdict."""

    crop_class: str
    annotator: str
    at: datetime


@dataclass(frozen=True)
class Crop:
    """One chromosome; its pixels are row `pack_index` of the array object `pack_key`.

    Attributes
    ----------
    bbox
        y0, x0, y1, x1 in the image's pixels, half-open; of a generated crop in those of its picture.
    orientation_deg
        Angle of the long axis against the image's rows, counter-clockwise, in [0, 180).
    crop_class
        The newest annotation's class, or None.
    annotations
        All verdicts, oldest first.
    predicted_class, probability
        The newest prediction, or None; `probability` is that of an aberration.
    predictions
        What every job's classifier said, newest last.
    filter_scores
        What every job's filter said, newest last.
    synthetic
        How a generated crop was made, or None.
    """

    id: str
    origin: str
    image_id: str | None
    sample: str | None
    job_id: str | None
    source_crop_id: str | None
    pack_key: str
    pack_index: int
    label: int | None
    bbox: tuple[int, int, int, int]
    area_px: int
    orientation_deg: float | None
    length_px: float | None
    width_px: float | None
    flags: tuple[str, ...]
    crop_class: str | None
    created_at: datetime
    predicted_class: str | None = None
    probability: float | None = None
    annotations: tuple[Annotation, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    filter_scores: tuple[FilterScore, ...] = ()
    synthetic: Synthetic | None = None


@dataclass(frozen=True)
class PackedCrop:
    """Where a crop's pixels lie, and what they are.

    Attributes
    ----------
    rendered
        Whether the pixels are final colours, as in imported and generated crops, or a scanner's.
    channels
        Names of the pack's planes.
    canvas_scale
        Of a generated crop: pixels of its picture per pixel of the source's image; else None.
    """

    id: str
    pack_key: str
    pack_index: int
    rendered: bool
    channels: tuple[str, ...]
    canvas_scale: float | None = None


@dataclass(frozen=True)
class CropFilter:
    """Which crops to list, and in which order; None means any.

    Attributes
    ----------
    crop_class
        A person's newest verdict, or where there is none the newest prediction.
    predicted_class, min_probability, max_probability
        Of the newest prediction.
    classifier
        An exact ``name/version``: only what it has classified, and predictions are its own newest.
    dataset
        Name and version.
    annotated
        Whether a person has given a verdict.
    filter
        An exact ``name/version``: only what it has scored, each crop with its newest score.
    filtered_by
        Id of a filtering job: only what that one has scored, with its own scores.
    kept
        What the score says, of one filter or job, or else the newest of any.
    decision
        Decides `kept` anew, instead of how the job did.
    sort
        By id, or by probability of an aberration; crops without a prediction are left out then.
    """

    image_id: str | None = None
    job_id: str | None = None
    sample: str | None = None
    origin: str | None = None
    source_crop_id: str | None = None
    crop_class: str | None = None
    predicted_class: str | None = None
    min_probability: float | None = None
    max_probability: float | None = None
    classifier: str | None = None
    dataset: tuple[str, int] | None = None
    annotated: bool | None = None
    filter: str | None = None
    filtered_by: str | None = None
    kept: bool | None = None
    decision: Decision | None = None
    sort: CropSort = "id"
