"""Simulated data sets: crops drawn from nothing, as hard to tell apart as is asked for."""

from __future__ import annotations

from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from services.jobs.params.base import ARTIFACT_NAME, JobParams, Request

MAX_SIMULATED_CROPS: Final = 50_000
_MAX_SLIDES: Final = 200


class SimulationParams(JobParams):
    """How many crops of how many slides to simulate, and how hard they are to tell apart."""

    name: str = Field(pattern=ARTIFACT_NAME, description="The data set that gets a new version.")
    preset: Literal["easy", "medium", "hard"] = Field("medium", description="How hard the crops are.")
    difficulty: dict[str, Any] = Field(
        default_factory=dict,
        max_length=20,
        description="Knobs that differ from the preset's: bleed_through, noise, junction, dark_ratio, "
        "overlap, overlap_share, blur_px, slide_spread.",
    )
    train_slides: int = Field(8, ge=1, le=_MAX_SLIDES, description="Slides to learn from.")
    val_slides: int = Field(3, ge=0, le=_MAX_SLIDES, description="Slides of validation.")
    test_slides: int = Field(4, ge=0, le=_MAX_SLIDES, description="Slides of the test split.")
    train_aberrations: int = Field(120, ge=0, le=MAX_SIMULATED_CROPS, description="On all of its slides.")
    val_aberrations: int = Field(40, ge=0, le=MAX_SIMULATED_CROPS, description="On all of its slides.")
    test_aberrations: int = Field(60, ge=0, le=MAX_SIMULATED_CROPS, description="On all of its slides.")
    normal_ratio: float = Field(10.0, gt=0, le=1000, description="Normals per aberration, in every split.")
    unlabelled: int = Field(
        0,
        ge=0,
        le=MAX_SIMULATED_CROPS,
        description="Crops of DAPI alone on the training slides, to generate from.",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="The same seed and numbers make the same crops.")
    licence: str | None = Field(None, max_length=200, description="SPDX expression or a short text.")
    description: str = Field("", max_length=4000)

    @property
    def num_crops(self) -> int:
        """How many crops it makes."""
        labelled = (self.train_aberrations, self.val_aberrations, self.test_aberrations)
        return sum(count + round(count * self.normal_ratio) for count in labelled) + self.unlabelled

    @model_validator(mode="after")
    def _crops_have_slides(self) -> Self:
        for split in ("val", "test"):
            if getattr(self, f"{split}_aberrations") and not getattr(self, f"{split}_slides"):
                raise ValueError(f"{split}_aberrations needs {split}_slides of at least 1.")
        if not 1 <= self.num_crops <= MAX_SIMULATED_CROPS:
            raise ValueError(
                f"These are {self.num_crops} crops; a simulation makes 1 to {MAX_SIMULATED_CROPS}."
            )
        return self


class SimulationRequest(Request, SimulationParams):
    """Simulate a data set version: no crop of it is real, and it is marked as such for ever."""

    kind: Literal["simulation"]
