"""API keys over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from api.schemas.common import Body, Line, View
from services.auth import IssuedKey, Scope

_EXAMPLE: dict[str, Any] = {
    "id": "key_01k9zt3v5e8w2hq4x7c1n6m0ba",
    "name": "lims",
    "scopes": ["read", "submit"],
    "created_at": "2026-11-02T08:15:30Z",
    "revoked_at": None,
}


class KeyRequest(Body):
    """A key to make."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "lims", "scopes": ["read", "submit"]}})

    name: Line = Field(description="Who will hold it; shown in the audit trail.")
    scopes: frozenset[Scope] = Field(min_length=1, description="What it may do; `admin` implies the others.")


class KeyView(View):
    """A key; its secret is not kept."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    revoked_at: datetime | None


class IssuedKeyView(KeyView):
    """A new key with its secret, shown this once."""

    model_config = ConfigDict(
        json_schema_extra={"example": {**_EXAMPLE, "key": "kb_Xq3v9fQ0w7m2Zt1c8bYp5sRk4uLh6nEjDgAiOaTeVxI"}}
    )

    key: str | None = Field(
        description="The secret. Shown only now: a repetition with the same Idempotency-Key has null."
    )

    @classmethod
    def of(cls, issued: IssuedKey) -> IssuedKeyView:
        """Join the secret and its record."""
        return cls(**KeyView.model_validate(issued.record).model_dump(), key=issued.key)
