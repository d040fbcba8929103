"""Training a generator: a Brownian Bridge or a CycleGAN, on the aberrations of a data set version.

Every field that is empty is the preset's; `services.pipelines.generator_recipe` holds the presets.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from services.jobs.params.base import ARTIFACT_NAME, ARTIFACT_REF, DATASET_REF, JobParams, Request
from services.jobs.params.classification import MAX_GROUPS

MAX_STEPS = 10_000_000
NORMALISED_CHANNELS = 32  # the bridge's group norm takes channels in so many groups
SAMPLER_FIELDS: Final = MappingProxyType({"eta": "bbdm", "sampler_order": "dbim"})
OWN_FIELDS: Final = MappingProxyType(
    {
        "bbdm": (
            *("size", "prediction_type", "loss", "schedule", "ema_decay", "ema_start", "ema_every"),
            *("sample_steps", "sampler", "sampler_steps", "sampler_order", "eta"),
        ),
        "cyclegan": ("cycle_weight", "identity_weight", "pool_size"),
    }
)


class GeneratorTrainingParams(JobParams):
    """How to train a generator of aberrations on a data set version."""

    name: str = Field(pattern=ARTIFACT_NAME, description="The artifact that gets a new version.")
    dataset: str = Field(
        pattern=DATASET_REF, description="Data set as name/version; its training aberrations are learnt from."
    )
    method: Literal["bbdm", "cyclegan"] = Field(
        "bbdm", description="bbdm: Brownian Bridge diffusion, from DAPI to colours. cyclegan: the rival."
    )
    preset: Literal["default", "paper"] = Field(
        "default",
        description="paper: 200 epochs in batches of 8 with the paper's network, rates and weight average. "
        "default: a network that trains on a CPU. Explicit fields win over the preset.",
    )
    steps: int | None = Field(None, ge=1, le=MAX_STEPS, description="Optimiser steps; or give epochs.")
    epochs: float | None = Field(
        None, gt=0, le=100_000, description="Passes over the training aberrations; or give steps."
    )
    batch_size: int | None = Field(None, ge=1, le=1024, description="Pairs per optimiser step.")
    learning_rate: float | None = Field(None, gt=0, le=1, description="Of Adam, at the start.")
    size: Literal["small", "medium", "paper"] | None = Field(
        None, description="Of the bridge's network; small trains on a CPU, paper has 237 million parameters."
    )
    width: int | None = Field(
        None,
        ge=8,
        le=512,
        multiple_of=8,
        description="Channels of the first layer: the bridge's in multiples of 32, instead of the size's; "
        "the CycleGAN's in both of its networks (the paper's is 64).",
    )
    prediction_type: Literal["grad", "noise", "ysubx"] | None = Field(
        None,
        description="What the bridge's network predicts: the way back to the target (grad), the noise, or "
        "source minus target (ysubx).",
    )
    loss: Literal["l1", "l2"] | None = Field(
        None, description="Of the bridge: mean absolute or mean squared error."
    )
    schedule: Literal["plateau", "cosine"] | None = Field(
        None,
        description="Of the bridge's learning rate. plateau: halved when the loss of 3,000 steps has not "
        "fallen, as in the paper. cosine: falls to zero over the steps.",
    )
    ema_decay: float | None = Field(
        None, ge=0, lt=1, description="Of the moving average of the bridge's weights, per update."
    )
    ema_start: int | None = Field(
        None, ge=0, le=MAX_STEPS, description="Step from which the weights are averaged instead of copied."
    )
    ema_every: int | None = Field(None, ge=1, le=10_000, description="Steps between two updates.")
    cycle_weight: float | None = Field(
        None, ge=0, le=1000, description="Weight of the CycleGAN's cycle loss; the paper's is 10."
    )
    identity_weight: float | None = Field(
        None, ge=0, le=10, description="Weight of the CycleGAN's identity loss, as a share of cycle_weight."
    )
    pool_size: int | None = Field(
        None, ge=0, le=10_000, description="Generated images that the CycleGAN's discriminators remember."
    )
    canvas_px: int | None = Field(
        None, ge=32, le=256, multiple_of=16, description="Side of the pictures, in pixels."
    )
    scale: float | None = Field(
        None, gt=0.05, le=8, description="Canvas pixels per image pixel; longer crops are made to fit."
    )
    background: Literal["zero", "keep"] | None = Field(
        None, description="What becomes of pixels off the mask."
    )
    flips: bool | None = Field(None, description="Mirror training pairs left to right and top to bottom.")
    rotation_deg: float | None = Field(
        None, ge=0, le=180, description="Largest turn of training pairs to either side, in degrees."
    )
    sample_steps: int | None = Field(
        None, ge=3, le=1000, description="Network calls per picture of the sample grids of the training."
    )
    sampler: Literal["bbdm", "dbim"] | None = Field(
        None, description="How generation jobs sample from the bridge unless they say otherwise."
    )
    sampler_steps: int | None = Field(
        None, ge=3, le=1000, description="Network calls per crop of generation jobs that do not say."
    )
    sampler_order: int | None = Field(
        None,
        ge=1,
        le=3,
        description="Of the sampler dbim, beside which it is given: 1 looks at one step, 2 and 3 at more.",
    )
    eta: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Of the sampler bbdm, beside which it is given: noise along the way, 0 none, 1 all.",
    )
    seed: int = Field(
        0, ge=0, lt=2**31, description="Of the first weights, the order, the noise and the variations."
    )
    leave_out_groups: tuple[str, ...] = Field(
        (),
        max_length=MAX_GROUPS,
        description="Groups (slides) to keep out of training and validation.",
    )
    half_precision: bool = Field(
        False, description="Store the weights as float16, half the size; the figures are of the full ones."
    )
    licence: str | None = Field(None, max_length=200, description="SPDX expression or a short text.")
    description: str = Field("", max_length=4000, description="For the card: what it is, and for whom.")

    @model_validator(mode="after")
    def _of_one_method(self) -> Self:
        """Refuse what the method does not have: it would change nothing, and nobody would be told."""
        if self.steps is not None and self.epochs is not None:
            raise ValueError("Give steps or epochs, not both.")
        other = next(method for method in OWN_FIELDS if method != self.method)
        foreign = [name for name in OWN_FIELDS[other] if getattr(self, name) is not None]
        if foreign:
            raise ValueError(
                f"{', '.join(foreign)}: only the method {other} has this. {self.method} has, of its own, "
                f"{', '.join(OWN_FIELDS[self.method])}."
            )
        if self.method == "bbdm" and self.width is not None and self.width % NORMALISED_CHANNELS:
            raise ValueError(f"The width of a bbdm network is a multiple of {NORMALISED_CHANNELS}.")
        return self

    @model_validator(mode="after")
    def _of_one_sampler(self) -> Self:
        for name, sampler in SAMPLER_FIELDS.items():
            if getattr(self, name) is not None and self.sampler != sampler:
                raise ValueError(f"{name} belongs to the sampler {sampler}: give sampler {sampler} too.")
        return self


class GeneratorTrainingRequest(Request, GeneratorTrainingParams):
    """Train a generator of synthetic aberrations on a data set version."""

    kind: Literal["generator_training"]
    generator: str | None = Field(
        None,
        pattern=ARTIFACT_REF,
        description="A bbdm generator whose weights to start from; empty: random ones.",
    )

    @model_validator(mode="after")
    def _can_be_continued(self) -> Self:
        if self.generator is not None and self.method == "cyclegan":
            raise ValueError(
                "An artifact holds one of the four networks that a CycleGAN is trained with, so no training "
                "can start from it: leave generator out."
            )
        return self
