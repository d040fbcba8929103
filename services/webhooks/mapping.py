"""From rows to values."""

from __future__ import annotations

from typing import cast

from services.db.tables import WebhookDeliveryRow, WebhookRow
from services.webhooks.types import JOB_EVENTS, Delivery, DeliveryStatus, Webhook


def webhook_of(row: WebhookRow) -> Webhook:
    """Map a webhook's row; events that only another release knows are passed over."""
    return Webhook(
        id=row.id,
        url=row.url,
        events=tuple(event for event in JOB_EVENTS if event in row.events),
        description=row.description,
        created_by=row.created_by,
        generation=row.generation,
        previous_valid_until=row.previous_valid_until,
        failing_since=row.failing_since,
        disabled_at=row.disabled_at,
        disabled_reason=row.disabled_reason,
        created_at=row.created_at,
    )


def delivery_of(row: WebhookDeliveryRow) -> Delivery:
    """Map a message's row."""
    return Delivery(
        id=row.id,
        webhook_id=row.webhook_id,
        event=row.event,
        subject=row.subject,
        payload=dict(row.payload),
        status=cast("DeliveryStatus", row.status),
        attempts=row.attempts,
        due_at=row.due_at,
        last_status=row.last_status,
        last_error=row.last_error,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
