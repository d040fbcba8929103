"""Work and its state."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.records.base import Record

TERMINAL_STATUSES = frozenset({"succeeded", "partial", "failed", "cancelled"})


class Progress(Record):
    """How far a job is, in `unit`."""

    done: int = 0
    total: int = 0
    unit: str = "items"
    message: str = ""

    @property
    def fraction(self) -> float:
        """Between 0 and 1; 0 while the total is unknown."""
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0


class Job(Record):
    """A piece of work and its state."""

    id: str
    kind: str
    status: str
    params: dict[str, Any] = Field(default_factory=dict)
    inputs: Any = None
    artifacts: dict[str, str] = Field(default_factory=dict)
    priority: str = "normal"
    progress: Progress = Progress()
    queue_position: int | None = None
    attempt: int = 0
    error: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    external_id: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the job will not change any more by itself."""
        return self.status in TERMINAL_STATUSES

    @property
    def run_s(self) -> float | None:
        """Seconds between start and end, or None while either is missing."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class JobItem(Record):
    """One input of a job and what became of it."""

    status: str
    input_id: str | None = None
    position: int | None = None
    error: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None
