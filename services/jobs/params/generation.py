"""Generating synthetic crops: which sources, how many samples of each, and how they are made."""

from __future__ import annotations

from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from services.jobs.params.base import (
    ARTIFACT_REF,
    DATASET_REF,
    MAX_CROPS_PER_JOB,
    CropId,
    JobParams,
    Request,
)

MAX_SAMPLES_PER_SOURCE: Final = 1000
MAX_SYNTHETIC_CROPS: Final = 200_000
"""Of one job: sources times samples."""

SourceClass = Literal["normal", "aberration", "unlabelled"]
SourceSplit = Literal["train", "val", "test"]


class GenerationParams(JobParams):
    """How to make synthetic crops; what is left empty is the generator's own."""

    steps: int | None = Field(
        None, ge=3, le=1000, description="Network calls per crop; only Brownian Bridges take steps."
    )
    sampler: Literal["bbdm", "dbim"] | None = Field(
        None,
        description="How to walk from DAPI to colours: bbdm as in the paper, dbim with far fewer steps. Only "
        "Brownian Bridges sample.",
    )
    eta: float | None = Field(
        None, ge=0, le=1, description="Noise along the way: 0 none but the first, 1 all. Bridges only."
    )
    order: int | None = Field(
        None, ge=1, le=3, description="Of the dbim sampler: 1 looks at one step, 2 and 3 at earlier ones too."
    )
    painting: dict[str, Any] | None = Field(
        None,
        max_length=64,
        description="Parameters of a painted generator by name, instead of its own; its manifest lists them.",
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**31,
        description="Of all noise, and of the choice of sources. The same seed, source and sample number "
        "give the same picture.",
    )
    samples_per_source: int = Field(
        1, ge=1, le=MAX_SAMPLES_PER_SOURCE, description="Different synthetic crops per source crop."
    )
    quality: bool = Field(True, description="Compare with real aberrations at the end, with pictures.")
    reference: str | None = Field(
        None,
        pattern=DATASET_REF,
        description="Data set (name/version) whose training aberrations the quality report compares with; "
        "empty: the one that the generator was trained on, or else that of the sources.",
    )


class GenerationRequest(Request, GenerationParams):
    """Make synthetic aberrations from real crops: some, those of a job, or those of a data set."""

    kind: Literal["generation"]
    crop_ids: tuple[CropId, ...] | None = Field(None, min_length=1, max_length=MAX_CROPS_PER_JOB)
    job_id: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="The segmentation or scoring job that found the source crops.",
    )
    dataset: str | None = Field(None, pattern=DATASET_REF, description="Data set of the sources.")
    splits: tuple[SourceSplit, ...] | None = Field(
        None,
        min_length=1,
        max_length=3,
        description="Splits of the data set to take sources from; default: train alone, so that held-out "
        "slides do not become training material.",
    )
    classes: tuple[SourceClass, ...] | None = Field(
        None,
        min_length=1,
        max_length=3,
        description="Classes of the sources. Default for a data set: unlabelled where it has some, else "
        "normal; for painted generators both. Default for a job: whatever no person called an aberration.",
    )
    max_sources: int | None = Field(
        None,
        ge=1,
        le=MAX_SYNTHETIC_CROPS,
        description="Take so many sources at most, chosen by the seed; empty: all.",
    )
    generator: str = Field("painted/production", pattern=ARTIFACT_REF)
    classifier: str | None = Field(
        None,
        pattern=ARTIFACT_REF,
        description="Whose embeddings the quality report compares; empty: translocation/production if there "
        "is one.",
    )

    @model_validator(mode="after")
    def _one_selection(self) -> Self:
        names = ("crop_ids", "job_id", "dataset")
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise ValueError(f"Give exactly one of {', '.join(names)}.")
        for name in ("crop_ids", "splits", "classes"):
            values = getattr(self, name)
            if values is not None and len(set(values)) != len(values):
                raise ValueError(f"{name} names something twice.")
        if self.splits is not None and self.dataset is None:
            raise ValueError("Only a data set has splits.")
        if not self.quality and (self.reference is not None or self.classifier is not None):
            raise ValueError("Without a quality report, reference and classifier mean nothing.")
        if self.classes is not None and self.crop_ids is not None:
            raise ValueError("Crops that are named by id are taken whatever their class: leave classes out.")
        return self
