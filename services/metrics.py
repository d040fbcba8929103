"""Prometheus metrics of jobs, read from the database at each scrape.

Jobs run in other processes than the one that answers ``/metrics``, and processes come and go; the
rows are the only ones that have seen everything. Counts are therefore those of the whole service,
whichever replica is asked. A person's retry takes its job out of the counts until it ends again.
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
from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from services.db.engine import SessionFactory
from services.db.tables import JobItemRow, JobRow
from services.jobs.types import TERMINAL_STATUSES
from services.log import get_logger

RATE_WINDOW_S: Final = 300

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
                families = [*_jobs(session), *_drift(session), *_times(session), *_items(session)]
        except SQLAlchemyError as error:
            log.warning("no job metrics", reason=str(error))
        up.add_metric([], float(bool(families)))
        yield up
        yield from families


def _jobs(session: Session) -> Iterator[Metric]:
    ended = CounterMetricFamily("karyobridge_jobs", "Jobs that ended.", labels=["kind", "outcome"])
    open_ = GaugeMetricFamily("karyobridge_jobs_unfinished", "Jobs by status.", labels=["kind", "status"])
    oldest = GaugeMetricFamily(
        "karyobridge_job_oldest_queued_seconds", "Age of the oldest queued job.", labels=["kind"]
    )
    age_s = _seconds(func.now() - func.min(JobRow.created_at))
    groups = select(JobRow.kind, JobRow.status, func.count(), age_s).group_by(JobRow.kind, JobRow.status)
    for kind, status, number, age in session.execute(groups):
        (ended if status in TERMINAL_STATUSES else open_).add_metric([kind, status], number)
        if status == "queued":
            oldest.add_metric([kind], float(age))
    yield from (ended, open_, oldest)


def _drift(session: Session) -> Iterator[Metric]:
    warned = CounterMetricFamily(
        "karyobridge_jobs_drift_warned",
        "Jobs whose crops are unlike what their filter's classifier was trained on.",
        labels=["kind"],
    )
    groups = (
        select(JobRow.kind, func.count())
        .where(JobRow.result["drift"]["warning"].astext.is_not(None))
        .group_by(JobRow.kind)
    )
    for kind, number in session.execute(groups):
        warned.add_metric([kind], number)
    yield warned


def _times(session: Session) -> Iterator[Metric]:
    wait = SummaryMetricFamily(
        "karyobridge_job_queue_wait_seconds", "From being due to the first start.", labels=["kind"]
    )
    run = SummaryMetricFamily(
        "karyobridge_job_run_seconds", "From the first start to the end.", labels=["kind"]
    )
    # A back-off after the start is no waiting in the queue; a person's retry begins the wait anew.
    due_at = case((JobRow.not_before <= JobRow.started_at, JobRow.not_before), else_=JobRow.created_at)
    groups = (
        select(
            JobRow.kind,
            func.count(),
            _seconds(func.sum(JobRow.started_at - due_at)),
            func.count(JobRow.finished_at),
            _seconds(func.sum(JobRow.finished_at - JobRow.started_at)),
        )
        .where(JobRow.started_at.is_not(None))
        .group_by(JobRow.kind)
    )
    for kind, started, waited_s, finished, ran_s in session.execute(groups):
        wait.add_metric([kind], started, float(waited_s))
        run.add_metric([kind], finished, float(ran_s or 0.0))
    yield from (wait, run)


def _items(session: Session) -> Iterator[Metric]:
    total = CounterMetricFamily("karyobridge_items", "Items recorded.", labels=["kind", "outcome"])
    rate = GaugeMetricFamily(
        "karyobridge_items_per_second",
        f"Items recorded per second over the last {RATE_WINDOW_S} s.",
        labels=["kind"],
    )
    window_start = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, RATE_WINDOW_S)
    recent = func.count().filter(JobItemRow.finished_at > window_start)
    groups = (
        select(JobRow.kind, JobItemRow.status, func.count(), recent)
        .join(JobRow, JobRow.id == JobItemRow.job_id)
        .where(JobItemRow.status != "pending")
        .group_by(JobRow.kind, JobItemRow.status)
    )
    rates: dict[str, float] = {}
    for kind, status, number, lately in session.execute(groups):
        total.add_metric([kind, status], number)
        rates[kind] = rates.get(kind, 0.0) + lately / RATE_WINDOW_S
    for kind, per_second in rates.items():
        rate.add_metric([kind], per_second)
    yield from (total, rate)


def _seconds(interval: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.extract("epoch", interval)
