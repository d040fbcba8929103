"""Importing weights that were trained elsewhere."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.jobs.params.base import ARTIFACT_NAME, JobParams


class ArtifactImportParams(JobParams):
    """What to call uploaded weights, and what the uploader says of them."""

    name: str = Field(pattern=ARTIFACT_NAME, description="The artifact that gets a new version.")
    diameter_px: float | None = Field(
        None,
        gt=2,
        le=1000,
        description="Of a segmenter: mean object diameter in its training images; empty: as in the file.",
    )
    method: Literal["bbdm", "cyclegan"] | None = Field(
        None, description="Of a generator; empty: told from the names in the file."
    )
    canvas_px: int | None = Field(
        None,
        ge=32,
        le=256,
        multiple_of=16,
        description="Of a generator: side of the pictures that it was trained on, in pixels; empty: 64.",
    )
    scale: float | None = Field(
        None,
        gt=0.05,
        le=8,
        description="Of a generator: canvas pixels per image pixel in its training; empty: 1.6.",
    )
    background: Literal["zero", "keep"] | None = Field(
        None, description="Of a generator: what became of pixels off the mask in its training; empty: zero."
    )
    prediction_type: Literal["grad", "noise", "ysubx"] | None = Field(
        None,
        description="Of a Brownian Bridge: what its network predicts; empty: grad, as official ones.",
    )
    licence: str | None = Field(None, max_length=200, description="SPDX expression or a short text.")
    description: str = Field("", max_length=4000)
