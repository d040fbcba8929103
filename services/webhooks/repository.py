"""Webhook queries of whoever administers them. The courier's are in `deliveries`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from services.db.tables import WebhookDeliveryRow, WebhookRow
from services.errors import NotFoundError
from services.ids import new_id
from services.pagination import Page, PageRequest, make_page
from services.webhooks.mapping import delivery_of, webhook_of
from services.webhooks.types import JOB_EVENTS, Delivery, DeliveryStatus, JobEvent, Webhook

# Receivers need time to learn the new secret; until then both sign.
PREVIOUS_VALID_FOR: Final = timedelta(hours=24)


class WebhookRepository:
    """Reads and changes webhooks inside the caller's transaction; flushes, never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, url: str, events: Collection[JobEvent], description: str, created_by: str) -> Webhook:
        """Insert a webhook with its first secret."""
        ordered = [event for event in JOB_EVENTS if event in events]
        row = WebhookRow(
            id=new_id("webhook"), url=url, events=ordered, description=description, created_by=created_by
        )
        self._session.add(row)
        self._session.flush()
        self._session.refresh(row)
        return webhook_of(row)

    def count(self) -> int:
        """Count the webhooks that are not deleted."""
        query = select(func.count()).select_from(WebhookRow).where(WebhookRow.deleted_at.is_(None))
        return self._session.scalar(query) or 0

    def get(self, webhook_id: str) -> Webhook:
        """Read a webhook; raises `NotFoundError` where there is none, or it was deleted."""
        return webhook_of(self._row(webhook_id))

    def list_page(self, page: PageRequest) -> Page[Webhook]:
        """List webhooks in the order in which they were made, without deleted ones."""
        query = (
            select(WebhookRow)
            .where(WebhookRow.deleted_at.is_(None))
            .order_by(WebhookRow.id)
            .limit(page.limit + 1)
        )
        if page.after is not None:
            query = query.where(WebhookRow.id > page.after)
        found = [webhook_of(row) for row in self._session.scalars(query)]
        return make_page(found, page.limit, lambda webhook: webhook.id)

    def rotate(self, webhook_id: str) -> Webhook:
        """Give a webhook its next secret; the one before stays valid for a while. Raises `NotFoundError`."""
        return self._change(
            webhook_id,
            generation=WebhookRow.generation + 1,
            previous_valid_until=func.now() + PREVIOUS_VALID_FOR,
        )

    def enable(self, webhook_id: str) -> Webhook:
        """Send to a webhook again, and count its failures anew; raises `NotFoundError`."""
        return self._change(webhook_id, disabled_at=None, disabled_reason=None, failing_since=None)

    def delete(self, webhook_id: str) -> Webhook:
        """Take a webhook out of use and out of sight; its row stays, for the audit's sake."""
        return self._change(webhook_id, deleted_at=func.now())

    def delivery(self, webhook_id: str, message_id: str) -> Delivery:
        """Read a message; raises `NotFoundError` where this webhook has no such one."""
        return delivery_of(self._delivery_row(webhook_id, message_id))

    def deliveries(self, webhook_id: str, status: DeliveryStatus | None, page: PageRequest) -> Page[Delivery]:
        """List a webhook's messages, oldest first."""
        query = (
            select(WebhookDeliveryRow)
            .where(WebhookDeliveryRow.webhook_id == webhook_id)
            .order_by(WebhookDeliveryRow.id)
            .limit(page.limit + 1)
        )
        if status is not None:
            query = query.where(WebhookDeliveryRow.status == status)
        if page.after is not None:
            query = query.where(WebhookDeliveryRow.id > page.after)
        found = [delivery_of(row) for row in self._session.scalars(query)]
        return make_page(found, page.limit, lambda delivery: delivery.id)

    def redeliver(self, webhook_id: str, message_id: str) -> Delivery:
        """Make a message due now, with all its attempts before it; raises `NotFoundError`."""
        row = self._delivery_row(webhook_id, message_id, lock=True)
        self._session.execute(
            update(WebhookDeliveryRow)
            .where(WebhookDeliveryRow.id == message_id)
            .values(status="pending", attempts=0, due_at=func.now(), ended_at=None)
            .execution_options(synchronize_session=False)
        )
        self._session.refresh(row)
        return delivery_of(row)

    def _change(self, webhook_id: str, **values: Any) -> Webhook:
        row = self._row(webhook_id, lock=True)
        self._session.execute(
            update(WebhookRow)
            .where(WebhookRow.id == webhook_id)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        self._session.refresh(row)
        return webhook_of(row)

    def _row(self, webhook_id: str, *, lock: bool = False) -> WebhookRow:
        # A lock that lets messages to the webhook be written meanwhile: no job's end waits for it.
        mode = {"key_share": True} if lock else None
        row = self._session.get(WebhookRow, webhook_id, with_for_update=mode, populate_existing=True)
        if row is None or row.deleted_at is not None:
            raise NotFoundError("webhook", webhook_id)
        return row

    def _delivery_row(self, webhook_id: str, message_id: str, *, lock: bool = False) -> WebhookDeliveryRow:
        row = self._session.get(
            WebhookDeliveryRow, message_id, with_for_update=True if lock else None, populate_existing=True
        )
        if row is None or row.webhook_id != webhook_id:
            raise NotFoundError("message", message_id)
        return row
