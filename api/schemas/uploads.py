"""Large files that travel by themselves, before the request that is about them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from api.schemas.common import Body, View
from services.incoming.types import State

_ID = "upl_01k9zt3v5e8w2hq4x7c1n6m0ba"
_EXAMPLE: dict[str, Any] = {
    "id": _ID,
    "filename": "scan.tif",
    "size_bytes": 734003200,
    "state": "waiting",
    "method": "PUT",
    "url": f"https://s3.example.org/karyobridge/incoming/{_ID}?X-Amz-Signature=…",
    "headers": {"Content-Type": "application/octet-stream"},
    "created_at": "2026-11-02T08:15:30Z",
    "expires_at": "2026-11-03T08:15:30Z",
    "used_at": None,
}

UploadId = Annotated[str, StringConstraints(pattern=r"^upl_[0-9a-z]{26}$")]
UploadIds = Annotated[
    tuple[UploadId, ...],
    Field(description="Ids of uploads that were sent before, instead of files or besides them."),
]
OneUploadId = Annotated[
    tuple[UploadId, ...],
    Field(max_length=1, description="Id of an upload that was sent before, instead of the file."),
]


class UploadRequest(Body):
    """A file to come."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"filename": "scan.tif", "size_bytes": 734003200}}
    )

    filename: str = Field(min_length=1, max_length=1000, description="Its name; folders are left off.")
    size_bytes: int = Field(ge=1, le=2**62, strict=True, description="Exactly how many bytes it has.")


class UploadView(View):
    """A file to come, or one that came."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    id: str
    filename: str
    size_bytes: int
    state: State = Field(description="`received` once exactly `size_bytes` lie in the store.")
    method: Literal["PUT"] | None = Field(description="How to send it; null once it was used or expired.")
    url: str | None = Field(
        description="Where to send it. One that begins with / is this service's own: send the API key. An "
        "absolute one is the store's: never send the key there."
    )
    headers: dict[str, str] = Field(description="What to send along.")
    created_at: datetime
    expires_at: datetime = Field(description="Send it and use it before.")
    used_at: datetime | None
