"""Prometheus metrics of jobs, read from the database at each scrape.

Jobs run in other processes than the one that answers ``/metrics``, and processes come and go; the
rows are the only ones that have seen everything. So the figures are those of the whole service,
whichever replica is asked: in a dashboard take their ``max``, not their sum, over replicas. A scrape
reads the jobs that have not ended and the sums of `services.jobs.totals`, never all rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from services.db.engine import SessionFactory
from services.db.tables import JobRow
from services.jobs.due import CLAIMABLE, WAITING_SINCE
from services.jobs.totals import UNFINISHED, TotalsRepository
from services.log import get_logger
from services.webhooks.metrics import webhook_families

# Prometheus gives a scrape ten seconds unless it is told otherwise.
SCRAPE_TIMEOUT_MS: Final = 5_000

log = get_logger(__name__)


class JobCollector(Collector):
    """Register one with the registry that ``/metrics`` shows.

    Without a database there is only ``karyobridge_job_metrics_up 0``: a scrape never fails, and an
    alert can tell an idle service from a blind one.
    """

    def __init__(self, session_factory: SessionFactory) -> None:
        self._session_factory = session_factory

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering does not query the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Query and yield the metric families."""
        up = GaugeMetricFamily("karyobridge_job_metrics_up", "Whether the database answered this scrape.")
        families: list[Metric] = []
        try:
            with self._session_factory() as session:
                # One snapshot: a job must not end between two queries, and count twice or not at all.
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
                session.execute(text(f"SET LOCAL statement_timeout = {SCRAPE_TIMEOUT_MS}"))
                families = [*_unfinished(session), *_ended(session), *_items(session)]
                families += webhook_families(session)
        except SQLAlchemyError as error:
            log.warning("no job metrics", reason=str(error))
        up.add_metric([], float(bool(families)))
        yield up
        yield from families


def _unfinished(session: Session) -> Iterator[Metric]:
    labels = ["kind", "queue", "priority"]
    open_ = GaugeMetricFamily(
        "karyobridge_jobs_unfinished", "Jobs that have not ended.", labels=[*labels, "status"]
    )
    oldest = GaugeMetricFamily(
        "karyobridge_job_oldest_queued_seconds",
        "How long the longest waiting of the jobs that are due has been waiting.",
        labels=labels,
    )
    silent = GaugeMetricFamily(
        "karyobridge_job_leases_expired",
        "Jobs whose worker went silent and that no sweep has taken back yet.",
        labels=["queue"],
    )
    expired: dict[str, int] = {}
    for row in session.execute(_UNFINISHED_GROUPS):
        values = [row.kind, row.queue, str(row.priority)]
        open_.add_metric([*values, row.status], row.number)
        expired[row.queue] = expired.get(row.queue, 0) + row.expired
        if row.waiting_s is not None:
            oldest.add_metric(values, float(row.waiting_s))
    for queue, number in expired.items():
        silent.add_metric([queue], number)
    yield from (open_, oldest, silent)


_UNFINISHED_GROUPS: Final = (
    select(
        JobRow.kind,
        JobRow.queue,
        JobRow.priority,
        JobRow.status,
        func.count().label("number"),
        func.count().filter(JobRow.lease_expires_at < func.now()).label("expired"),
        func.extract("epoch", func.now() - func.min(WAITING_SINCE).filter(CLAIMABLE)).label("waiting_s"),
    )
    .where(JobRow.status.in_(UNFINISHED))
    .group_by(JobRow.kind, JobRow.queue, JobRow.priority, JobRow.status)
)


def _ended(session: Session) -> Iterator[Metric]:
    ended = CounterMetricFamily("karyobridge_jobs", "Jobs that ended.", labels=["kind", "outcome"])
    warned = CounterMetricFamily(
        "karyobridge_jobs_drift_warned",
        "Jobs whose crops are unlike what their filter's classifier was trained on.",
        labels=["kind"],
    )
    wait = SummaryMetricFamily(
        "karyobridge_job_queue_wait_seconds",
        "From being due to the first start, of jobs that ended.",
        labels=["kind"],
    )
    run = SummaryMetricFamily(
        "karyobridge_job_run_seconds", "From the first start to the end.", labels=["kind"]
    )
    sums: dict[str, dict[str, Any]] = {}
    for total in TotalsRepository(session).totals():
        ended.add_metric([total.kind, total.outcome], total.jobs)
        kind = sums.setdefault(total.kind, dict.fromkeys(("started", "warned", "waited_s", "ran_s"), 0))
        kind["started"] += total.started
        kind["warned"] += total.drift_warned
        kind["waited_s"] += total.waited_s
        kind["ran_s"] += total.ran_s
    for name, kind in sums.items():
        warned.add_metric([name], kind["warned"])
        wait.add_metric([name], kind["started"], kind["waited_s"])
        run.add_metric([name], kind["started"], kind["ran_s"])
    yield from (ended, warned, wait, run)


def _items(session: Session) -> Iterator[Metric]:
    total = CounterMetricFamily("karyobridge_items", "Items recorded.", labels=["kind", "outcome"])
    for (kind, outcome), number in TotalsRepository(session).items().items():
        total.add_metric([kind, outcome], number)
    yield total
