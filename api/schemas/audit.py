"""The audit trail over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from api.schemas.common import View

_EXAMPLE: dict[str, Any] = {
    "id": 4711,
    "at": "2026-11-02T08:15:30Z",
    "actor": "lims",
    "action": "artifact.alias_set",
    "subject": "classifier/translocation",
    "details": {"alias": "production", "version": 2},
}


class AuditView(View):
    """One change, and who answers for it."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    id: int
    at: datetime
    actor: str = Field(description="Name of the API key; `local` where none is needed.")
    action: str = Field(description="What was done.")
    subject: str = Field(description="What it was done to: an id, or `kind/name` of an artifact.")
    details: dict[str, Any] = Field(description="What changed.")
