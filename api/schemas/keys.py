"""API keys over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pydantic import ConfigDict, Field

from api.schemas.common import Body, Line, Moment, View
from services.auth import IssuedKey, Scope
from services.key_rotation import DEFAULT_OVERLAP_HOURS, MAX_OVERLAP_HOURS

_EXAMPLE: dict[str, Any] = {
    "id": "key_01k9zt3v5e8w2hq4x7c1n6m0ba",
    "name": "lims",
    "scopes": ["read", "submit"],
    "created_at": "2026-11-02T08:15:30Z",
    "revoked_at": None,
    "expires_at": "2027-11-02T08:15:30Z",
    "last_used_at": "2026-11-20T16:40:02Z",
    "replaces": None,
}
_END: Final = "When it ends by itself, at most ten years ahead; leave it out for a key without end."


class KeyRequest(Body):
    """A key to make."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "lims",
                "scopes": ["read", "submit"],
                "expires_at": "2027-11-02T08:15:30Z",
            }
        }
    )

    name: Line = Field(description="Who will hold it; shown in the audit trail.")
    scopes: frozenset[Scope] = Field(min_length=1, description="What it may do; `admin` implies the others.")
    expires_at: Moment | None = Field(None, description=_END)


class RotationRequest(Body):
    """How a key is to be replaced."""

    model_config = ConfigDict(json_schema_extra={"example": {"overlap_hours": 24}})

    overlap_hours: int = Field(
        DEFAULT_OVERLAP_HOURS,
        ge=0,
        le=MAX_OVERLAP_HOURS,
        strict=True,
        description="For how long the old key still works; never longer than it would have.",
    )
    expires_at: Moment | None = Field(
        None, description="When the new key ends; by default it lives for as long as the old one was to."
    )


class KeyView(View):
    """A key; its secret is not kept."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    revoked_at: datetime | None
    expires_at: datetime | None = Field(description="It opens nothing from then on; null: no end.")
    last_used_at: datetime | None = Field(description="Some minutes rough; null: never.")
    replaces: str | None = Field(description="Id of the key whose successor it is.")


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
