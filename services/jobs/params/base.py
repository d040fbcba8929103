"""What all parameters and requests share: strictness, names, selections."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.db.tables import JsonObject
from services.jobs.types import PriorityName

MAX_IMAGES_PER_JOB = 10_000
MAX_CROPS_PER_JOB = 10_000
ARTIFACT_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
ARTIFACT_REF = r"^[a-z0-9][a-z0-9._-]{0,63}/[a-z0-9][a-z0-9._-]{0,63}$"
DATASET_REF = r"^[a-z0-9][a-z0-9._-]{0,63}/[1-9][0-9]{0,8}$"

ImageId = Annotated[str, Field(min_length=1, max_length=64)]
CropId = Annotated[str, Field(min_length=1, max_length=64)]


class JobParams(BaseModel):
    """Base: unknown names are refused, and values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Request(JobParams):
    """What every request may carry."""

    external_id: str | None = Field(
        None, min_length=1, max_length=200, description="Your own reference, for finding the job again."
    )
    priority: PriorityName = Field(
        "normal",
        description="normal: samples before trainings. urgent (work on samples only): before everything "
        "that waits. background: only while nothing else waits.",
    )


class ImageSelection(JobParams):
    """Images by ids, batch or sample."""

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


def params_of(request: BaseModel, model: type[JobParams]) -> JsonObject:
    """Cut a request down to the parameters that are stored with the job."""
    return model.model_validate(request.model_dump(include=set(model.model_fields))).model_dump(mode="json")
