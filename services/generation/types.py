"""Values of the room: how a synthetic crop was made, and which sources a job works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

CHANNELS: Final = ("red", "green", "dapi")
"""Planes of a generated pack, as on a generator's canvas."""


@dataclass(frozen=True)
class Synthetic:
    """How a generated crop was made.

    Attributes
    ----------
    generator
        An exact ``name/version``.
    seed
        Of the job.
    sample_number
        0, 1, … counts the samples of one source within the job.
    canvas_scale
        Pixels of the generated picture per pixel of the source's image.
    """

    source_crop_id: str
    generator: str
    seed: int
    sample_number: int
    canvas_scale: float


@dataclass(frozen=True)
class NewSynthetic:
    """A generated crop that is about to be recorded.

    Attributes
    ----------
    pack_key, pack_index
        Where its pixels lie.
    bbox
        y0, x0, y1, x1 of the chromosome in the generated picture, half-open.
    area_px
        Pixels of the generated picture that belong to the chromosome.
    """

    crop_id: str
    synthetic: Synthetic
    pack_key: str
    pack_index: int
    bbox: tuple[int, int, int, int]
    area_px: int


@dataclass(frozen=True)
class SourceBatch:
    """Source crops of one pack, worked through as one item of a job.

    Attributes
    ----------
    crop_ids
        Ascending.
    """

    pack_key: str
    crop_ids: tuple[str, ...]


@dataclass(frozen=True)
class SourceSelection:
    """What a generation job works on, and what its row shows of that."""

    batches: Sequence[SourceBatch]
    shown: Mapping[str, Any]
