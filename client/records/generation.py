"""How a synthetic crop was made, and how good a job's synthetic crops are."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from client.records.base import Record


class Synthetic(Record):
    """How a synthetic crop was made; with the same values it can be made again.

    Attributes
    ----------
    source_crop_id
        The real crop whose DAPI it has.
    generator
        Exact ``name/version``.
    sample_number
        0, 1, … counts the samples of one source within the job.
    canvas_scale
        Pixels of its picture per pixel of the source's image.
    """

    source_crop_id: str
    generator: str
    seed: int
    sample_number: int
    canvas_scale: float


class Quality(Record):
    """What a generation job made beside the real aberrations that it should resemble.

    Attributes
    ----------
    compared_with
        Data set, as ``name/version``, whose training aberrations were the yardstick.
    classifier
        Whose embeddings were compared; None without one.
    figures
        By kind of comparison; `client.quality` puts them in words.
    pictures
        Name to path of a PNG.
    """

    job_id: str
    compared_with: str
    classifier: str | None = None
    figures: dict[str, Any] = Field(default_factory=dict)
    pictures: dict[str, str] = Field(default_factory=dict)
