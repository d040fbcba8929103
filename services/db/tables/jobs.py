"""Jobs and their items: the truth about work."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Double, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.db.tables.base import Base, JsonObject, created_at_column

# Jobs that have ended and that the totals do not contain yet.
UNCOUNTED = "finished_at IS NOT NULL AND uncounted_since IS NOT NULL"


class JobRow(Base):
    """The truth about a job. A message to a worker carries only its id.

    `uncounted_since` is null once the totals contain the job; a retry sets it, and the job counts again, with
    the items that were recorded from then on.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_status_queue", "status", "queue", "priority", "id"),
        Index("ix_jobs_kind", "kind", "id"),
        Index("ix_jobs_sample", "sample", "id"),
        Index("ix_jobs_external_id", "external_id", "id"),
        Index("ix_jobs_uncounted", "finished_at", postgresql_where=text(UNCOUNTED)),
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
    turns_lost: Mapped[int] = mapped_column(server_default="0")
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
    uncounted_since: Mapped[datetime | None] = mapped_column(server_default="1970-01-01+00")


class JobTotalsRow(Base):
    """Sums over the jobs of one kind that ended in one way; they only grow."""

    __tablename__ = "job_totals"

    kind: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    jobs: Mapped[int] = mapped_column(BigInteger, server_default="0")
    started: Mapped[int] = mapped_column(BigInteger, server_default="0")
    drift_warned: Mapped[int] = mapped_column(BigInteger, server_default="0")
    items_succeeded: Mapped[int] = mapped_column(BigInteger, server_default="0")
    items_failed: Mapped[int] = mapped_column(BigInteger, server_default="0")
    waited_s: Mapped[float] = mapped_column(Double, server_default="0")
    ran_s: Mapped[float] = mapped_column(Double, server_default="0")


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
