"""Who may call, and who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.records.base import Record


class ApiKey(Record):
    """An API key; `key`, the secret itself, is there only in the answer that made it."""

    id: str
    name: str
    scopes: tuple[str, ...] = ()
    key: str | None = None
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    replaces: str | None = None


class AuditEntry(Record):
    """One change, and who answers for it."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: dict[str, Any] = Field(default_factory=dict)
