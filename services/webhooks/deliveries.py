"""A courier's writes: claim messages, settle them, clear away; each one short transaction.

A claim moves the message's `due_at` to when the courier has lost it. A courier that dies so leaves
nothing to clean up, and one that was frozen finds another time in the row and writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.orm import Session

from services import audit
from services.clock import utc_now
from services.db.tables import WebhookDeliveryRow, WebhookRow
from services.ids import first_id
from services.webhooks.mapping import delivery_of
from services.webhooks.schedule import GIVE_UP_ENDPOINT_AFTER, KEEP_ENDED_FOR
from services.webhooks.types import MESSAGE_PREFIX, Attempt, Claimed

MAX_PER_SWEEP: Final = 1000
GONE: Final = 410
COURIER: Final = "courier"

_DUE: Final[ColumnElement[bool]] = (WebhookDeliveryRow.status == "pending") & (
    WebhookDeliveryRow.due_at <= func.now()
)
_INACTIVE: Final[ColumnElement[bool]] = or_(
    WebhookRow.disabled_at.is_not(None), WebhookRow.deleted_at.is_not(None)
)


class DeliveryRepository:
    """Works inside the caller's transaction; rows that another courier has locked are passed over."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def claim(self, limit: int, per_webhook: int, busy: Collection[str], hold_s: float) -> list[Claimed]:
        """Take due messages, those that have waited longest first.

        Parameters
        ----------
        limit
            How many at most.
        per_webhook
            How many of one webhook; of one that fails a single one, so that it holds nobody up.
        busy
            Webhooks that this courier is sending to, which are passed over.
        hold_s
            For how long nobody else may send these.
        """
        place = func.row_number().over(
            partition_by=WebhookDeliveryRow.webhook_id,
            order_by=(WebhookDeliveryRow.due_at, WebhookDeliveryRow.id),
        )
        due = (
            select(WebhookDeliveryRow.id, place.label("place"), WebhookRow.failing_since)
            .join(WebhookRow, WebhookRow.id == WebhookDeliveryRow.webhook_id)
            .where(_DUE, ~_INACTIVE, WebhookDeliveryRow.webhook_id.not_in(busy))
            .subquery()
        )
        chosen = select(due.c.id).where(
            (due.c.place == 1) | (due.c.failing_since.is_(None) & (due.c.place <= per_webhook))
        )
        found = self._session.execute(
            select(WebhookDeliveryRow, WebhookRow)
            .join(WebhookRow, WebhookRow.id == WebhookDeliveryRow.webhook_id)
            # Looked at again under the lock: another courier may have been here in between.
            .where(WebhookDeliveryRow.id.in_(chosen), _DUE)
            .order_by(WebhookDeliveryRow.due_at, WebhookDeliveryRow.id)
            .limit(limit)
            .with_for_update(of=WebhookDeliveryRow, skip_locked=True)
            .execution_options(populate_existing=True)
        ).all()
        webhooks = {message.id: webhook for message, webhook in found}
        taken = self._session.scalars(
            update(WebhookDeliveryRow)
            .where(WebhookDeliveryRow.id.in_(webhooks))
            .values(due_at=func.now() + timedelta(seconds=hold_s), attempts=WebhookDeliveryRow.attempts + 1)
            .returning(WebhookDeliveryRow)
            .execution_options(populate_existing=True)
        ).all()
        return [_claimed(message, webhooks[message.id]) for message in taken]

    def settle(self, claimed: Claimed, attempt: Attempt, pause_s: float | None) -> str | None:
        """Write down what became of a sending.

        Parameters
        ----------
        pause_s
            Until the next attempt; None: there is none.

        Returns
        -------
        str or None
            The message's new status; None if it belongs to a later claim by now.
        """
        values: dict[str, Any] = {"last_status": attempt.status, "last_error": attempt.error}
        if attempt.delivered:
            values |= {"status": "delivered", "ended_at": func.now()}
        elif pause_s is None or attempt.status == GONE:
            values |= {"status": "failed", "ended_at": func.now()}
        else:
            values |= {"due_at": func.now() + timedelta(seconds=pause_s)}
        status = self._session.scalar(
            update(WebhookDeliveryRow)
            .where(
                WebhookDeliveryRow.id == claimed.delivery.id,
                WebhookDeliveryRow.status == "pending",
                WebhookDeliveryRow.due_at == claimed.claimed_until,
            )
            .values(**values)
            .returning(WebhookDeliveryRow.status)
            .execution_options(synchronize_session=False)
        )
        if status is not None:
            self._note(claimed.delivery.webhook_id, attempt)
        return status

    def end_those_of_inactive(self) -> int:
        """Fail what waits for webhooks that were disabled or deleted; returns how many."""
        ended = self._session.scalars(
            update(WebhookDeliveryRow)
            .where(
                WebhookDeliveryRow.status == "pending",
                WebhookRow.id == WebhookDeliveryRow.webhook_id,
                _INACTIVE,
            )
            .values(
                status="failed",
                ended_at=func.now(),
                last_error="The webhook was disabled or deleted.",
            )
            .returning(WebhookDeliveryRow.id)
            .execution_options(synchronize_session=False)
        )
        return len(ended.all())

    def purge(self) -> int:
        """Delete some of the messages that ended long ago; returns how many."""
        # Ids sort by time, so the primary key finds the old ones; a redelivered one may have ended lately.
        made_before = first_id(MESSAGE_PREFIX, utc_now() - KEEP_ENDED_FOR)
        old = (
            select(WebhookDeliveryRow.id)
            .where(
                WebhookDeliveryRow.id < made_before,
                WebhookDeliveryRow.ended_at < func.now() - KEEP_ENDED_FOR,
            )
            .order_by(WebhookDeliveryRow.id)
            .limit(MAX_PER_SWEEP)
            .with_for_update(skip_locked=True)
        )
        purged = self._session.scalars(
            delete(WebhookDeliveryRow)
            .where(WebhookDeliveryRow.id.in_(old))
            .returning(WebhookDeliveryRow.id)
            .execution_options(synchronize_session=False)
        )
        return len(purged.all())

    def _note(self, webhook_id: str, attempt: Attempt) -> None:
        """Remember whether messages get through, and disable a webhook where none does any more."""
        if attempt.delivered:
            working = (WebhookRow.id == webhook_id) & WebhookRow.failing_since.is_not(None)
            self._update(working, failing_since=None)
            return
        self._update(
            (WebhookRow.id == webhook_id) & WebhookRow.failing_since.is_(None), failing_since=func.now()
        )
        if attempt.status == GONE:
            self._disable(WebhookRow.id == webhook_id, webhook_id, "The receiver answered 410 Gone.")
            return
        long_dead = WebhookRow.failing_since < func.now() - GIVE_UP_ENDPOINT_AFTER
        reason = f"No message got through for {GIVE_UP_ENDPOINT_AFTER.days} days."
        self._disable((WebhookRow.id == webhook_id) & long_dead, webhook_id, reason)

    def _disable(self, which: ColumnElement[bool], webhook_id: str, reason: str) -> None:
        if self._update(which & ~_INACTIVE, disabled_at=func.now(), disabled_reason=reason):
            audit.record(
                self._session,
                actor=COURIER,
                action="webhook.disabled",
                subject=webhook_id,
                details={"reason": reason},
            )

    def _update(self, which: ColumnElement[bool], **values: Any) -> bool:
        changed = self._session.scalars(
            update(WebhookRow)
            .where(which)
            .values(**values)
            .returning(WebhookRow.id)
            .execution_options(synchronize_session=False)
        )
        return bool(changed.all())


def _claimed(message: WebhookDeliveryRow, webhook: WebhookRow) -> Claimed:
    before = webhook.previous_valid_until
    newest = webhook.generation
    both = before is not None and before > utc_now()
    generations = (newest, newest - 1) if both else (newest,)
    return Claimed(delivery_of(message), webhook.url, generations, message.due_at)
