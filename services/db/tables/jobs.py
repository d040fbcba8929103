"""Jobs and their items: the truth about work."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.db.tables.base import Base, JsonObject, created_at_column


class JobRow(Base):
    """The truth about a job. A message to a worker carries only its id."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_status_queue", "status", "queue", "priority", "id"),
        Index("ix_jobs_kind", "kind", "id"),
        Index("ix_jobs_sample", "sample", "id"),
        Index("ix_jobs_external_id", "external_id", "id"),
        CheckConstraint(
            "status IN ('queued','running','succeeded','partial','failed','cancelling','cancelled')",
            name="status_known",
        ),
        CheckConstraint(
            "(status IN ('running','cancelling')) = (lease_token IS NOT NULL)", name="lease_while_running"
        ),
        CheckConstraint(
            "(status IN ('succeeded','partial','failed','cancelled')) = (finished_at IS NOT NULL)",
            name="finished_when_terminal",
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="queued")
    params: Mapped[JsonObject]
    inputs: Mapped[JsonObject]
    artifacts: Mapped[JsonObject]
    sample: Mapped[str | None]
    external_id: Mapped[str | None]
    request_id: Mapped[str | None]
    traceparent: Mapped[str | None]
    queue: Mapped[str]
    priority: Mapped[int] = mapped_column(server_default="0")
    attempt: Mapped[int] = mapped_column(server_default="0")
    max_attempts: Mapped[int]
    not_before: Mapped[datetime | None]
    dispatched_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    lease_token: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    worker: Mapped[str | None]
    progress_done: Mapped[int] = mapped_column(server_default="0")
    progress_total: Mapped[int] = mapped_column(server_default="0")
    progress_unit: Mapped[str] = mapped_column(server_default="items")
    progress_message: Mapped[str] = mapped_column(server_default="")
    error: Mapped[JsonObject | None] = mapped_column(JSONB(none_as_null=True))
    result: Mapped[JsonObject] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[datetime] = created_at_column()
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class JobItemRow(Base):
    """One input of a job and what became of it."""

    __tablename__ = "job_items"
    __table_args__ = (
        CheckConstraint("status IN ('pending','succeeded','failed')", name="status_known"),
        Index("ix_job_items_status", "job_id", "status"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    input_id: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="pending")
    error: Mapped[JsonObject | None] = mapped_column(JSONB(none_as_null=True))
    outputs: Mapped[JsonObject] = mapped_column(server_default=text("'{}'"))
    started: Mapped[int] = mapped_column(server_default="0")
    finished_at: Mapped[datetime | None]
