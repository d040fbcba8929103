"""What a client may ask of each kind of job: validated parameters with units and bounds.

A ``…Params`` model is what is stored in `jobs.params` and read by the pipeline. A ``…Request`` adds
the kind, the inputs' selection and the artifacts: it is the body of ``POST /v1/jobs``, and the API
resolves its selection and references before it submits.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.db.tables import JsonObject

MAX_IMAGES_PER_JOB = 10_000
MAX_DIAGNOSTIC_ITEMS = 10_000
ARTIFACT_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
ARTIFACT_REF = r"^[a-z0-9][a-z0-9._-]{0,63}/[a-z0-9][a-z0-9._-]{0,63}$"

ImageId = Annotated[str, Field(min_length=1, max_length=64)]
ItemPosition = Annotated[int, Field(ge=0)]


class JobParams(BaseModel):
    """Base: unknown names are refused, and values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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


class ArtifactImportParams(JobParams):
    """What to call uploaded weights, and what the uploader says of them."""

    name: str = Field(pattern=ARTIFACT_NAME, description="The artifact that gets a new version.")
    diameter_px: float | None = Field(
        None, gt=2, le=1000, description="Mean object diameter in its training images; empty: as in the file."
    )
    licence: str | None = Field(None, max_length=200, description="SPDX expression or a short text.")
    description: str = Field("", max_length=4000)


class DiagnosticParams(JobParams):
    """A walk through queue, worker, database and store, for operators, drills and benchmarks."""

    items: int = Field(1, ge=1, le=MAX_DIAGNOSTIC_ITEMS, description="Number of inputs to pretend.")
    seconds_per_item: float = Field(0.0, ge=0, le=3600, description="Time to spend on each, in seconds.")
    fail_items: tuple[ItemPosition, ...] = Field(
        (), max_length=MAX_DIAGNOSTIC_ITEMS, description="Positions that fail with `diagnostic_failure`."
    )
    flaky_items: tuple[ItemPosition, ...] = Field(
        (), max_length=MAX_DIAGNOSTIC_ITEMS, description="As `fail_items`, but only in the first attempt."
    )
    crash_items: tuple[ItemPosition, ...] = Field(
        (),
        max_length=MAX_DIAGNOSTIC_ITEMS,
        description="For drills: positions that kill the worker process which begins them.",
    )


class _Request(JobParams):
    external_id: str | None = Field(
        None, min_length=1, max_length=200, description="Your own reference, for finding the job again."
    )


class _ImageSelection(JobParams):
    image_ids: tuple[ImageId, ...] | None = Field(None, min_length=1, max_length=MAX_IMAGES_PER_JOB)
    batch_id: str | None = Field(None, min_length=1, max_length=64)
    sample: str | None = Field(None, min_length=1, max_length=200)

    @model_validator(mode="after")
    def _one_selection(self) -> Self:
        given = [name for name in ("image_ids", "batch_id", "sample") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("Give exactly one of image_ids, batch_id and sample.")
        if self.image_ids is not None and len(set(self.image_ids)) != len(self.image_ids):
            raise ValueError("image_ids names an image twice.")
        return self


class SegmentationRequest(_Request, _ImageSelection, SegmentationParams):
    """Segment images into chromosomes."""

    kind: Literal["segmentation"]
    segmenter: str = Field("chromosome/production", pattern=ARTIFACT_REF)


class SegmenterTrainingRequest(_Request, _ImageSelection, SegmenterTrainingParams):
    """Train a segmenter on the images' annotation masks."""

    kind: Literal["segmenter_training"]
    segmenter: str | None = Field(
        None, pattern=ARTIFACT_REF, description="Weights to start from; empty: random ones."
    )


class DiagnosticRequest(_Request, DiagnosticParams):
    """See whether a job gets through."""

    kind: Literal["diagnostic"]


JobRequest = Annotated[
    SegmentationRequest | SegmenterTrainingRequest | DiagnosticRequest, Field(discriminator="kind")
]


def params_of(request: BaseModel, model: type[JobParams]) -> JsonObject:
    """Cut a request down to the parameters that are stored with the job."""
    return model.model_validate(request.model_dump(include=set(model.model_fields))).model_dump(mode="json")
