"""Uploads: the form's fields, and what became of each file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator

from api.schemas.common import Body, Line, View
from api.schemas.problem import StoredProblem
from api.schemas.uploads import UploadIds
from services.jobs.types import PriorityName

Process = Literal["none", "segmentation", "scoring"]

_MAX_METADATA_DEPTH = 16


def _object_of(text: object) -> object:
    """Parse the JSON text of a form field; NaN and Infinity are not JSON."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError('Is not JSON; send an object such as {"key": "value"}.') from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON.")


def _storable(value: Any, depth: int = 0) -> None:
    """Refuse what JSON can say and Postgres cannot store."""
    if depth > _MAX_METADATA_DEPTH:
        raise ValueError(f"Is nested more than {_MAX_METADATA_DEPTH} deep.")
    if isinstance(value, str) and ("\0" in value or not _encodable(value)):
        raise ValueError("Holds NUL or a lone surrogate.")
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise ValueError("Holds a number that is too large.")
    if isinstance(value, dict):
        for name, entry in value.items():
            _storable(name, depth + 1)
            _storable(entry, depth + 1)
    if isinstance(value, list):
        for entry in value:
            _storable(entry, depth + 1)


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


class BatchForm(Body):
    """The text fields of an upload."""

    sample: Line = Field(description="The LIMS accession.")
    slide: Line | None = Field(None, description="The slide within the sample.")
    channels: str | None = Field(None, description="JSON: how files or planes become red, green, dapi.")
    pixel_size_um: float | None = Field(
        None, gt=0, le=100, description="Edge of a pixel in micrometres; wins over what the file says."
    )
    metadata: Annotated[dict[str, Any], BeforeValidator(_object_of)] = Field(
        {}, description="JSON object, kept with the batch."
    )
    process: Process = Field("none", description="What to do with the images at once.")
    priority: PriorityName = Field("normal", description="Of the job that `process` asks for.")
    uploads: UploadIds = ()

    @field_validator("metadata")
    @classmethod
    def _metadata_is_storable(cls, value: dict[str, Any]) -> Mapping[str, Any]:
        _storable(value)
        return value


class BatchItemView(View):
    """One file, or one member of a ZIP."""

    filename: str
    status: Literal["stored", "duplicate", "rejected"]
    image_id: str | None = Field(description="The image that it belongs to; a duplicate has the first one's.")
    error: StoredProblem | None = Field(description="Why it was rejected.")


class BatchView(View):
    """An upload, file by file."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "batch_01k9zt3v5e8w2hq4x7c1n6m0ba",
                "sample": "S26-001234",
                "slide": "2",
                "pixel_size_um": 0.065,
                "metadata": {"operator": "mk"},
                "items": [
                    {
                        "filename": "m01_D.tif",
                        "status": "stored",
                        "image_id": "img_01k9zt3v5e8w2hq4x7c1n6m0bb",
                        "error": None,
                    },
                    {
                        "filename": "notes.docx",
                        "status": "rejected",
                        "image_id": None,
                        "error": {
                            "code": "unsupported_format",
                            "title": "The file is no picture",
                            "detail": "Send TIFF, PNG or JPEG.",
                        },
                    },
                ],
                "job_id": None,
                "created_at": "2026-11-02T08:15:30Z",
            }
        }
    )

    id: str
    sample: str
    slide: str | None
    pixel_size_um: float | None
    metadata: dict[str, Any]
    items: list[BatchItemView]
    job_id: str | None = Field(description="The job that `process` asked for.")
    created_at: datetime
