"""Finding chromosomes, and training what finds them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.jobs.params.base import ARTIFACT_NAME, ARTIFACT_REF, ImageSelection, JobParams, Request


class SegmentationParams(JobParams):
    """How to find chromosomes."""

    diameter_px: float | None = Field(
        None, gt=2, le=1000, description="Mean chromosome diameter in pixels; empty: the segmenter's own."
    )
    flow_threshold: float = Field(
        0.4, ge=0, le=10, description="Largest accepted flow error of an instance; 0 turns the check off."
    )
    cellprob_threshold: float = Field(
        0.0, ge=-20, le=20, description="Lowest foreground logit of a pixel; lower finds more."
    )
    min_area_px: int | None = Field(
        None, ge=1, le=100_000, description="Smaller instances are debris; empty: relative to the diameter."
    )
    masks: Literal["segmenter", "annotated"] = Field(
        "segmenter",
        description="annotated: cut the crops along the newest masks that a person drew for each image.",
    )


class SegmenterTrainingParams(JobParams):
    """How to train, or fine-tune, a segmenter on images whose masks a person drew."""

    name: str = Field(pattern=ARTIFACT_NAME, description="The artifact that gets a new version.")
    epochs: int = Field(80, ge=1, le=2000)
    crops_per_image: int = Field(4, ge=1, le=64, description="Random crops of an image per epoch.")
    crop_px: int = Field(224, ge=64, le=1024, multiple_of=16, description="Side of a crop in pixels.")
    batch_size: int = Field(8, ge=1, le=128, description="Crops per optimiser step.")
    learning_rate: float = Field(2e-3, gt=0, le=1)
    weight_decay: float = Field(1e-4, ge=0, le=1)
    diameter_px: float | None = Field(
        None, gt=2, le=1000, description="Mean chromosome diameter in pixels; empty: measured from the masks."
    )
    validation_fraction: float = Field(
        0.2, ge=0, lt=1, description="Share of the slides held out for the reported metrics; 0 holds none."
    )
    seed: int = Field(0, ge=0, lt=2**32)


class SegmentationRequest(Request, ImageSelection, SegmentationParams):
    """Segment images into chromosomes."""

    kind: Literal["segmentation"]
    segmenter: str = Field("chromosome/production", pattern=ARTIFACT_REF)


class SegmenterTrainingRequest(Request, ImageSelection, SegmenterTrainingParams):
    """Train a segmenter on the images' annotation masks."""

    kind: Literal["segmenter_training"]
    segmenter: str | None = Field(
        None, pattern=ARTIFACT_REF, description="Weights to start from; empty: random ones."
    )
