"""Links to stored files, which end by themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from api.schemas.common import View

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_EXAMPLE: dict[str, Any] = {
    "expires_at": "2026-11-02T08:30:30Z",
    "items": [
        {
            "filename": "weights.safetensors",
            "size_bytes": 44718592,
            "sha256": _SHA256,
            "method": "GET",
            "url": f"https://s3.example.org/karyobridge/artifacts/9f/{_SHA256}.safetensors?X-Amz-Signature=…",
            "headers": {},
        }
    ],
}


class LinkView(View):
    """Where the bytes of one stored file are to be had."""

    filename: str = Field(description="Its name; the store does not tell it.")
    size_bytes: int
    sha256: str = Field(description="Hex SHA-256 of what comes.")
    method: Literal["GET"]
    url: str = Field(
        description="One that begins with / is this service's own: send the API key. An absolute one is the "
        "store's: never send the key there."
    )
    headers: dict[str, str] = Field(description="What to send along.")


class LinksView(View):
    """Links to every stored file of one thing."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    expires_at: datetime = Field(description="Begin before; ask again for new ones.")
    items: list[LinkView]
