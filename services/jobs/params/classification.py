"""Training classifiers, and scoring crops and images with them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from services.jobs.params.base import (
    ARTIFACT_NAME,
    ARTIFACT_REF,
    DATASET_REF,
    MAX_CROPS_PER_JOB,
    CropId,
    ImageSelection,
    JobParams,
    Request,
)
from services.jobs.params.segmentation import SegmentationParams

MAX_GROUPS = 1000


class AugmentationParams(JobParams):
    """How training crops are varied; every draw depends on the seed, the epoch and the crop alone."""

    flips: bool = Field(True, description="Mirror left to right and top to bottom.")
    rotation_deg: float = Field(180.0, ge=0, le=180, description="Largest turn to either side, in degrees.")
    crop_px: int = Field(4, ge=0, le=32, description="Random crop: largest shift on the canvas, in pixels.")
    colour_swap: bool = Field(False, description="Exchange red and green in half of the draws.")
    gain: float = Field(
        0.0, ge=0, le=3, description="Channels are scaled by up to 1 + gain, down to its inverse."
    )
    background: float = Field(0.0, ge=0, le=0.5, description="Largest haze added to a channel, 1 = white.")
    blur_px: float = Field(0.0, ge=0, le=4, description="Largest sigma of a Gaussian blur, in pixels.")
    misregistration_px: float = Field(
        0.0, ge=0, le=8, description="Largest shift of red and of green against DAPI, in pixels."
    )
    noise: float = Field(0.0, ge=0, le=0.5, description="Largest sigma of additive noise, 1 = white.")


class ClassifierTrainingParams(JobParams):
    """How to train a classifier, or several from different seeds, on a data set version."""

    name: str = Field(pattern=ARTIFACT_NAME, description="The artifact that gets a new version.")
    dataset: str = Field(pattern=DATASET_REF, description="Data set as name/version.")
    preset: Literal["default", "paper"] = Field(
        "default",
        description="paper: Adam 1e-3, batch 32, 50 epochs, flips, rotation and random crop. "
        "default: what was measured to generalise best. Explicit fields win over the preset.",
    )
    epochs: int | None = Field(None, ge=1, le=2000)
    batch_size: int | None = Field(None, ge=2, le=4096, description="Crops per optimiser step.")
    learning_rate: float | None = Field(None, gt=0, le=1)
    schedule: Literal["constant", "cosine"] | None = Field(
        None, description="Of the learning rate; cosine falls to zero over the epochs."
    )
    weight_decay: float | None = Field(None, ge=0, le=1)
    augmentation: AugmentationParams | None = Field(None, description="Empty: the preset's.")
    canvas_px: int | None = Field(
        None, ge=32, le=256, multiple_of=16, description="Side of the network's input."
    )
    scale: float | None = Field(
        None, gt=0.05, le=8, description="Canvas pixels per image pixel; longer crops are made to fit."
    )
    background: Literal["zero", "keep"] | None = Field(
        None, description="What becomes of pixels off the mask."
    )
    class_weights: bool | None = Field(None, description="Weigh the loss by the classes' inverse frequency.")
    over_sampling: bool | None = Field(None, description="Draw both classes equally often.")
    normal_ratio: float | None = Field(
        None, gt=0, le=1000, description="Train on at most so many normals per aberration; empty: all."
    )
    patience_epochs: int | None = Field(
        None, ge=1, description="Stop when validation average precision has not risen for so long."
    )
    test_time_flips: bool | None = Field(None, description="Average the features of the four mirrored views.")
    num_seeds: int = Field(1, ge=1, le=50, description="Networks to train; the paper reports ten.")
    seed: int = Field(0, ge=0, lt=2**31)
    leave_out_groups: tuple[str, ...] = Field(
        (),
        max_length=MAX_GROUPS,
        description="Groups (slides) to keep out of training and validation and to report apart.",
    )
    evaluate_test: bool = Field(True, description="Look at the test split once, when all is chosen.")
    half_precision: bool = Field(
        False, description="Store the weights as float16, half the size; figures are of what is stored."
    )
    licence: str | None = Field(None, max_length=200, description="SPDX expression or a short text.")
    description: str = Field("", max_length=4000)


class ClassificationParams(JobParams):
    """How to classify crops: everything else is in the classifier."""

    threshold: float | None = Field(
        None, ge=0, le=1, description="Least probability of aberration; empty: the classifier's own."
    )


class ScoringParams(SegmentationParams):
    """How to go from images to scores."""

    threshold: float | None = Field(
        None, ge=0, le=1, description="Least probability of aberration; empty: the classifier's own."
    )


class ClassifierTrainingRequest(Request, ClassifierTrainingParams):
    """Train a classifier on a data set version."""

    kind: Literal["classifier_training"]
    classifier: str | None = Field(
        None, pattern=ARTIFACT_REF, description="Weights to start from; empty: random ones."
    )


class ClassificationRequest(Request, ClassificationParams):
    """Classify crops that exist: some of them, or all of a job, batch, sample or data set."""

    kind: Literal["classification"]
    crop_ids: tuple[CropId, ...] | None = Field(None, min_length=1, max_length=MAX_CROPS_PER_JOB)
    job_id: str | None = Field(None, min_length=1, max_length=64, description="The job that made the crops.")
    batch_id: str | None = Field(None, min_length=1, max_length=64)
    sample: str | None = Field(None, min_length=1, max_length=200)
    dataset: str | None = Field(None, pattern=DATASET_REF)
    classifier: str = Field("translocation/production", pattern=ARTIFACT_REF)

    @model_validator(mode="after")
    def _one_selection(self) -> Self:
        names = ("crop_ids", "job_id", "batch_id", "sample", "dataset")
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise ValueError(f"Give exactly one of {', '.join(names)}.")
        if self.crop_ids is not None and len(set(self.crop_ids)) != len(self.crop_ids):
            raise ValueError("crop_ids names a crop twice.")
        return self


class ScoringRequest(Request, ImageSelection, ScoringParams):
    """Segment images and classify what was found: what a LIMS calls."""

    kind: Literal["scoring"]
    segmenter: str = Field("chromosome/production", pattern=ARTIFACT_REF)
    classifier: str = Field("translocation/production", pattern=ARTIFACT_REF)
