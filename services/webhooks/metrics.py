"""Prometheus metrics of webhooks, read from the rows like those of jobs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.clock import utc_now
from services.db.tables import WebhookDeliveryRow, WebhookRow
from services.ids import first_id
from services.webhooks.types import DELIVERY_STATUSES, MESSAGE_PREFIX

# A scrape must not read the rows of a month.
_RECENT: Final = timedelta(hours=24)


def webhook_families(session: Session) -> Iterator[Metric]:
    """Yield what became of recent messages, how many wait and for how long, and webhooks by state."""
    yield _recent(session)
    yield from _waiting(session)
    yield _webhooks(session)


def _recent(session: Session) -> Metric:
    family = GaugeMetricFamily(
        "karyobridge_webhook_messages_24h", "Messages that were made within 24 hours.", labels=["status"]
    )
    counts = (
        select(WebhookDeliveryRow.status, func.count())
        .where(WebhookDeliveryRow.id >= first_id(MESSAGE_PREFIX, utc_now() - _RECENT))
        .group_by(WebhookDeliveryRow.status)
    )
    found = {row[0]: row[1] for row in session.execute(counts)}
    for status in DELIVERY_STATUSES:
        family.add_metric([status], found.get(status, 0))
    return family


def _waiting(session: Session) -> Iterator[Metric]:
    overdue_s = func.extract("epoch", func.now() - func.min(WebhookDeliveryRow.due_at))
    query = select(func.count(), overdue_s).where(WebhookDeliveryRow.status == "pending")
    number, most_overdue_s = session.execute(query).one()
    waiting = GaugeMetricFamily(
        "karyobridge_webhook_messages_waiting", "Messages that wait for their first or next attempt."
    )
    waiting.add_metric([], number)
    oldest = GaugeMetricFamily(
        "karyobridge_webhook_oldest_due_seconds", "For how long the most overdue message has waited."
    )
    oldest.add_metric([], max(0.0, float(most_overdue_s or 0.0)))
    yield from (waiting, oldest)


def _webhooks(session: Session) -> Metric:
    disabled = WebhookRow.disabled_at.is_not(None)
    failing = WebhookRow.failing_since.is_not(None)
    query = select(
        func.count().filter(~disabled & ~failing),
        func.count().filter(~disabled & failing),
        func.count().filter(disabled),
    ).where(WebhookRow.deleted_at.is_(None))
    family = GaugeMetricFamily("karyobridge_webhooks", "Webhooks by state.", labels=["state"])
    for state, number in zip(("working", "failing", "disabled"), session.execute(query).one(), strict=True):
        family.add_metric([state], number)
    return family
