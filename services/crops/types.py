"""What is known about one crop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

CropOrigin = Literal["segmented", "imported", "generated"]
CropClass = Literal["normal", "aberration", "excluded"]
CROP_CLASSES: tuple[str, ...] = get_args(CropClass)


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
        y0, x0, y1, x1 in the image's pixels, half-open.
    orientation_deg
        Angle of the long axis against the image's rows, counter-clockwise, in [0, 180).
    crop_class
        The newest annotation's class, or None.
    annotations
        All verdicts, oldest first.
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
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True)
class CropFilter:
    """Which crops to list; None means any."""

    image_id: str | None = None
    job_id: str | None = None
    sample: str | None = None
    origin: str | None = None
    crop_class: str | None = None
