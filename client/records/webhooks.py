"""Where the service tells that jobs ended, and what became of its messages."""

from __future__ import annotations

from datetime import datetime

from client.records.base import Record


class Webhook(Record):
    """A webhook; `secret` is there only in the answer that made it, or its newest one."""

    id: str
    url: str
    events: tuple[str, ...] = ()
    description: str = ""
    secret: str | None = None
    created_by: str | None = None
    previous_secret_valid_until: datetime | None = None
    failing_since: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    created_at: datetime | None = None

    @property
    def state(self) -> str:
        """One word for how it stands."""
        if self.disabled_at is not None:
            return "disabled"
        return "failing" if self.failing_since is not None else "working"


class Delivery(Record):
    """One message to one webhook."""

    id: str
    event: str
    subject: str
    status: str
    attempts: int = 0
    next_attempt_at: datetime | None = None
    last_status: int | None = None
    last_error: str | None = None
    created_at: datetime | None = None
    ended_at: datetime | None = None
