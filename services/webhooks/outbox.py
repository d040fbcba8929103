"""Messages are written in the transaction that they tell of: neither is ever kept without the other.

Every way in which a job ends calls `announce`. Where nobody subscribed this is one look into a table
with a handful of rows.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import any_, func, insert, literal, select
from sqlalchemy.orm import Session

from services.db.tables import JsonObject, WebhookDeliveryRow, WebhookRow
from services.ids import new_id
from services.webhooks.types import MESSAGE_PREFIX, TEST_EVENT, Webhook


class Ended(Protocol):
    """What a message tells of a job; its row and its value both have it."""

    @property
    def id(self) -> Any:
        """Its id."""

    @property
    def kind(self) -> Any:
        """Its kind."""

    @property
    def sample(self) -> Any:
        """The sample that it belongs to, if any."""

    @property
    def external_id(self) -> Any:
        """The client's own name for it, if any."""


def announce(session: Session, job: Ended, status: str) -> None:
    """Write a message to each webhook that wants to know that a job has ended so.

    Parameters
    ----------
    job
        As before or after its end: only what does not change is read.
    status
        The terminal status that this transaction gives it.
    """
    event = f"job.{status}"
    subscribed = session.execute(
        select(WebhookRow.id, func.now().label("at")).where(
            WebhookRow.deleted_at.is_(None),
            WebhookRow.disabled_at.is_(None),
            literal(event) == any_(WebhookRow.events),
        )
    ).all()
    if not subscribed:
        return
    # The database's time of this transaction, which is the job's `finished_at` to the microsecond.
    payload = _payload(event, subscribed[0].at, {"job": _told(job, status)})
    rows = [
        {
            "id": new_id(MESSAGE_PREFIX),
            "webhook_id": webhook_id,
            "event": event,
            "subject": job.id,
            "payload": payload,
        }
        for webhook_id, _ in subscribed
    ]
    session.execute(insert(WebhookDeliveryRow), rows)


def announce_test(session: Session, webhook: Webhook, at: datetime) -> str:
    """Write a message that tells of nothing, and return its id."""
    message_id = new_id(MESSAGE_PREFIX)
    row = WebhookDeliveryRow(
        id=message_id,
        webhook_id=webhook.id,
        event=TEST_EVENT,
        subject=webhook.id,
        payload=_payload(TEST_EVENT, at, {"webhook": {"id": webhook.id}}),
    )
    session.add(row)
    session.flush()
    return message_id


def _told(job: Ended, status: str) -> JsonObject:
    return {
        "id": job.id,
        "kind": job.kind,
        "status": status,
        "sample": job.sample,
        "external_id": job.external_id,
        "links": {"job": f"/v1/jobs/{job.id}", "items": f"/v1/jobs/{job.id}/items"},
    }


def _payload(event: str, at: datetime, data: JsonObject) -> JsonObject:
    told_at = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {"type": event, "timestamp": told_at, "data": data}
