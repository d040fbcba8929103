"""Webhooks, and the messages that wait for them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from services.db.tables.base import Base, JsonObject, created_at_column


class WebhookRow(Base):
    """Where a client wants to be told. No secret is stored: it is derived from the service's key.

    Attributes
    ----------
    generation
        Counts the secrets that this webhook has had; the one before stays valid until
        `previous_valid_until`.
    failing_since
        Since when no message got through; None while they do.
    """

    __tablename__ = "webhooks"
    __table_args__ = (CheckConstraint("generation >= 1", name="generation_counts"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    events: Mapped[list[str]]
    description: Mapped[str] = mapped_column(server_default="")
    created_by: Mapped[str]
    generation: Mapped[int] = mapped_column(server_default="1")
    previous_valid_until: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    deleted_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at_column()


class WebhookDeliveryRow(Base):
    """One message to one webhook, written in the transaction that it tells of."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("status IN ('pending','delivered','failed')", name="status_known"),
        CheckConstraint("(status <> 'pending') = (ended_at IS NOT NULL)", name="ended_unless_pending"),
        Index("ix_webhook_deliveries_due", "due_at", postgresql_where=text("status = 'pending'")),
        Index("ix_webhook_deliveries_webhook_id", "webhook_id", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id"))
    event: Mapped[str]
    subject: Mapped[str]
    payload: Mapped[JsonObject]
    status: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_status: Mapped[int | None]
    last_error: Mapped[str | None]
    created_at: Mapped[datetime] = created_at_column()
    ended_at: Mapped[datetime | None]
