from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from services import audit
from services.clock import utc_now
from services.db.engine import SessionFactory
from services.db.tables import WebhookDeliveryRow
from services.errors import NotFoundError
from services.ids import first_id, new_id
from services.metrics import JobCollector
from services.pagination import PageRequest
from services.webhooks.deliveries import DeliveryRepository
from services.webhooks.outbox import announce_test
from services.webhooks.repository import WebhookRepository
from services.webhooks.types import JOB_EVENTS, Attempt, Claimed, Delivery, Webhook
from services.webhooks.upkeep import tidy

GOOD = Attempt(204, None)
BAD = Attempt(503, "It answered 503.")


def make_webhook(sessions: SessionFactory) -> Webhook:
    with sessions.begin() as session:
        return WebhookRepository(session).add("https://lims.example/", JOB_EVENTS, "", "admin")


def write(sessions: SessionFactory, webhook: Webhook, number: int = 1) -> list[str]:
    with sessions.begin() as session:
        return [announce_test(session, webhook, utc_now()) for _ in range(number)]


def claim(
    sessions: SessionFactory,
    limit: int = 16,
    per_webhook: int = 4,
    busy: Collection[str] = (),
    hold_s: float = 60,
) -> list[Claimed]:
    with sessions.begin() as session:
        return DeliveryRepository(session).claim(limit, per_webhook, busy, hold_s)


def settle(
    sessions: SessionFactory, claimed: Claimed, attempt: Attempt, pause_s: float | None = 0
) -> str | None:
    with sessions.begin() as session:
        return DeliveryRepository(session).settle(claimed, attempt, pause_s)


def delivery(sessions: SessionFactory, webhook: Webhook, message_id: str) -> Delivery:
    with sessions() as session:
        return WebhookRepository(session).delivery(webhook.id, message_id)


def reread(sessions: SessionFactory, webhook: Webhook) -> Webhook:
    with sessions() as session:
        return WebhookRepository(session).get(webhook.id)


def execute(sessions: SessionFactory, statement: str, **values: object) -> None:
    with sessions.begin() as session:
        session.execute(text(statement), values)


@pytest.fixture
def webhook(sessions: SessionFactory) -> Webhook:
    return make_webhook(sessions)


class TestClaim:
    def test_gives_each_message_to_one_courier(self, sessions: SessionFactory, webhook: Webhook) -> None:
        """Several couriers at the same moment send nothing twice."""
        ids = write(sessions, webhook, 8)
        with ThreadPoolExecutor(6) as pool:
            claims = list(pool.map(lambda _: claim(sessions), range(6)))
        claims.append(claim(sessions))

        taken = [one.delivery.id for claimed in claims for one in claimed]
        assert len(set(taken)) == len(taken)
        assert set(taken) <= set(ids)

    def test_counts_attempts_and_takes_what_waited_longest(
        self, sessions: SessionFactory, webhook: Webhook
    ) -> None:
        """The oldest due messages leave first, no more than asked for."""
        ids = write(sessions, webhook, 5)
        taken = claim(sessions, limit=2)

        assert set(ids[:2]) == {one.delivery.id for one in taken}
        assert {(1, "pending")} == {(one.delivery.attempts, one.delivery.status) for one in taken}

    def test_no_webhook_takes_all_senders(self, sessions: SessionFactory, webhook: Webhook) -> None:
        """A receiver with a long backlog, busy or failing, leaves room for the others."""
        other = make_webhook(sessions)
        write(sessions, webhook, 20)
        write(sessions, other, 2)
        of_each = [one.delivery.webhook_id for one in claim(sessions, per_webhook=4)]
        execute(sessions, "UPDATE webhooks SET failing_since = now() WHERE id = :id", id=webhook.id)

        assert (4, 2) == (of_each.count(webhook.id), of_each.count(other.id))
        assert [] == claim(sessions, busy={webhook.id})
        assert 1 == len(claim(sessions))

    def test_passes_over_what_is_not_due_or_not_wanted(
        self, sessions: SessionFactory, webhook: Webhook
    ) -> None:
        """Messages in their pause, and those of disabled or deleted webhooks, are not sent."""
        disabled, deleted = make_webhook(sessions), make_webhook(sessions)
        for one in (webhook, disabled, deleted):
            write(sessions, one)
        later = "UPDATE webhook_deliveries SET due_at = now() + interval '1 s' WHERE webhook_id = :id"
        execute(sessions, later, id=webhook.id)
        execute(sessions, "UPDATE webhooks SET disabled_at = now() WHERE id = :id", id=disabled.id)
        execute(sessions, "UPDATE webhooks SET deleted_at = now() WHERE id = :id", id=deleted.id)

        assert [] == claim(sessions)

    def test_message_of_a_dead_courier_is_sent_by_the_next(
        self, sessions: SessionFactory, webhook: Webhook
    ) -> None:
        """A claim runs out by itself, and the webhook-id stays."""
        (message_id,) = write(sessions, webhook)
        (first,) = claim(sessions, hold_s=0)
        (second,) = claim(sessions)

        assert message_id == first.delivery.id == second.delivery.id
        assert (1, 2) == (first.delivery.attempts, second.delivery.attempts)

    def test_both_secrets_sign_for_a_day(self, sessions: SessionFactory, webhook: Webhook) -> None:
        """After a rotation receivers may still have the old secret; a day later it is void."""
        write(sessions, webhook, 2)
        with sessions.begin() as session:
            rotated = WebhookRepository(session).rotate(webhook.id)
        (within,) = claim(sessions, limit=1)
        execute(sessions, "UPDATE webhooks SET previous_valid_until = now() - interval '1 s'")
        (later,) = claim(sessions, limit=1)

        assert rotated.previous_valid_until is not None
        assert timedelta(hours=23) < rotated.previous_valid_until - utc_now() <= timedelta(hours=24)
        assert ((2, 1), (2,)) == (within.generations, later.generations)


class TestSettle:
    def test_delivered_is_the_end(self, sessions: SessionFactory, webhook: Webhook) -> None:
        """A message that got through is not sent again, and the webhook counts as working."""
        (message_id,) = write(sessions, webhook)
        execute(sessions, "UPDATE webhooks SET failing_since = now()")
        status = settle(sessions, claim(sessions)[0], GOOD)
        found = delivery(sessions, webhook, message_id)

        assert ("delivered", "delivered", 204, None) == (
            status,
            found.status,
            found.last_status,
            found.last_error,
        )
        assert found.ended_at is not None
        assert reread(sessions, webhook).failing_since is None
        assert [] == claim(sessions)

    def test_failure_waits_and_then_fails_for_good(self, sessions: SessionFactory, webhook: Webhook) -> None:
        """A failed attempt makes a pause, the last one an end; since when it fails is remembered."""
        (message_id,) = write(sessions, webhook)
        settle(sessions, claim(sessions)[0], BAD, 0)
        since = reread(sessions, webhook).failing_since
        pending = delivery(sessions, webhook, message_id)
        settle(sessions, claim(sessions)[0], BAD, None)
        failed = delivery(sessions, webhook, message_id)

        assert ("pending", 503, "It answered 503.") == (
            pending.status,
            pending.last_status,
            pending.last_error,
        )
        assert ("failed", 2) == (failed.status, failed.attempts)
        assert since == reread(sessions, webhook).failing_since is not None

    def test_late_courier_writes_nothing(self, sessions: SessionFactory, webhook: Webhook) -> None:
        """A courier that was frozen until another had the message changes neither it nor the webhook."""
        (message_id,) = write(sessions, webhook)
        (late,) = claim(sessions, hold_s=0)
        (now,) = claim(sessions)

        assert settle(sessions, late, BAD, None) is None
        assert reread(sessions, webhook).failing_since is None
        assert "delivered" == settle(sessions, now, GOOD)
        assert settle(sessions, late, BAD, None) is None
        assert "delivered" == delivery(sessions, webhook, message_id).status

    def test_gone_disables_at_once(self, sessions: SessionFactory, webhook: Webhook) -> None:
        """410 means never again: the webhook is disabled, the audit says why, and what waited has failed."""
        (first, second) = write(sessions, webhook, 2)
        taken = {one.delivery.id: one for one in claim(sessions, limit=1)}
        settle(sessions, taken[first], Attempt(410, "It answered 410."), 60)
        tidy(sessions)
        found = reread(sessions, webhook)
        with sessions() as session:
            trail = [(entry.actor, entry.action) for entry in audit.history(session, webhook.id)]

        assert found.disabled_at is not None
        assert "The receiver answered 410 Gone." == found.disabled_reason
        assert [("courier", "webhook.disabled")] == trail
        assert {"failed"} == {delivery(sessions, webhook, one).status for one in (first, second)}

    @pytest.mark.parametrize(("since", "disabled"), [("4 days 23 hours", False), ("5 days 1 minute", True)])
    def test_five_days_without_a_message_disable(
        self, sessions: SessionFactory, webhook: Webhook, since: str, *, disabled: bool
    ) -> None:
        """An endpoint that nobody repairs is given up after five days, not before."""
        write(sessions, webhook)
        execute(sessions, "UPDATE webhooks SET failing_since = now() - CAST(:since AS interval)", since=since)
        settle(sessions, claim(sessions)[0], BAD, 60)
        found = reread(sessions, webhook)

        assert disabled == (found.disabled_at is not None)
        assert ("5 days" in str(found.disabled_reason)) == disabled

    def test_enabled_again_it_is_tried_anew(self, sessions: SessionFactory, webhook: Webhook) -> None:
        """Whoever repaired the receiver enables it, and its failures are counted from nothing."""
        write(sessions, webhook)
        execute(
            sessions, "UPDATE webhooks SET disabled_at = now(), disabled_reason = 'x', failing_since = now()"
        )
        with sessions.begin() as session:
            enabled = WebhookRepository(session).enable(webhook.id)

        assert (None, None, None) == (enabled.disabled_at, enabled.disabled_reason, enabled.failing_since)
        assert 1 == len(claim(sessions))


class TestRedelivery:
    def test_gets_all_attempts_again(self, sessions: SessionFactory, webhook: Webhook) -> None:
        """A message that failed for good can be sent once more, under the same id."""
        (message_id,) = write(sessions, webhook)
        settle(sessions, claim(sessions)[0], BAD, None)
        with sessions.begin() as session:
            again = WebhookRepository(session).redeliver(webhook.id, message_id)
        (taken,) = claim(sessions)

        assert ("pending", 0, None) == (again.status, again.attempts, again.ended_at)
        assert (message_id, 1) == (taken.delivery.id, taken.delivery.attempts)

    def test_of_another_webhook_is_not_found(self, sessions: SessionFactory, webhook: Webhook) -> None:
        """Messages are only found below the webhook that they belong to."""
        (message_id,) = write(sessions, make_webhook(sessions))
        with sessions.begin() as session, pytest.raises(NotFoundError):
            WebhookRepository(session).redeliver(webhook.id, message_id)


class TestPurge:
    def test_forgets_what_ended_a_month_ago(self, sessions: SessionFactory, webhook: Webhook) -> None:
        """Ended messages go after 30 days; what waits, or ended later, stays."""
        now = utc_now()
        month = first_id("msg", now - timedelta(days=31))
        rows = {
            month: ("failed", now - timedelta(days=31)),
            f"{month[:-1]}1": ("delivered", now - timedelta(days=29)),
            f"{month[:-1]}2": ("pending", None),
            new_id("msg"): ("delivered", now),
        }
        with sessions.begin() as session:
            for message_id, (status, ended_at) in rows.items():
                same = {"webhook_id": webhook.id, "event": "webhook.test", "subject": "x", "payload": {}}
                session.add(WebhookDeliveryRow(id=message_id, status=status, ended_at=ended_at, **same))
        purged = tidy(sessions)
        with sessions() as session:
            kept = WebhookRepository(session).deliveries(webhook.id, None, PageRequest()).items

        assert 1 == purged
        assert set(rows) - {month} == {one.id for one in kept}


class TestMetrics:
    def test_tell_what_waits_and_what_fails(self, sessions: SessionFactory, webhook: Webhook) -> None:
        """An alert can be made of how long the most overdue message waits, and of webhooks that fail."""
        write(sessions, webhook, 3)
        settle(sessions, claim(sessions, limit=1)[0], BAD, None)
        execute(
            sessions,
            "UPDATE webhook_deliveries SET due_at = now() - interval '90 s' WHERE status = 'pending'",
        )
        registry = CollectorRegistry()
        registry.register(JobCollector(sessions))
        value = registry.get_sample_value

        assert (2, 1, 0) == tuple(
            value("karyobridge_webhook_messages_24h", {"status": status})
            for status in ("pending", "failed", "delivered")
        )
        assert 2 == value("karyobridge_webhook_messages_waiting")
        assert 90 <= (value("karyobridge_webhook_oldest_due_seconds") or 0) < 900
        assert (0, 1) == tuple(
            value("karyobridge_webhooks", {"state": one}) for one in ("working", "failing")
        )
