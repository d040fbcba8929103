from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from services.config import Settings
from services.db.engine import SessionFactory, make_engine, session_factory
from services.jobs.dispatch import NullDispatcher
from services.jobs.leases import LeaseRepository
from services.jobs.outcome import outcome_of
from services.jobs.service import JobService
from services.jobs.totals import TotalsRepository
from services.metrics import JobCollector

BAD = {"code": "bad", "title": "t", "detail": "d"}


def registry_of(sessions: SessionFactory) -> CollectorRegistry:
    """Make a registry that shows the database's jobs."""
    registry = CollectorRegistry()
    registry.register(JobCollector(sessions))
    return registry


class TestJobCollector:
    def test_counts_what_became_of_jobs_and_items(self, sessions: SessionFactory) -> None:
        """Two recorded items of a job that ran four seconds after waiting three, and one job queued."""
        service = JobService(sessions, NullDispatcher(), Settings(_env_file=None))
        job = service.submit("diagnostic", {"items": 2})
        with sessions.begin() as session:
            leases = LeaseRepository(session)
            held = leases.claim(job.id, "worker", 60)
            leases.record(held, 0, outputs={}, error=None, budget=3)
            leases.record(held, 1, outputs={}, error=BAD, budget=3)
            leases.finish(held, lambda tally: outcome_of(job.id, tally, {}))
            session.execute(
                text(
                    "UPDATE jobs SET finished_at = now(), started_at = now() - interval '4 s', "
                    "created_at = now() - interval '7 s'"
                )
            )
        service.submit("diagnostic", {})
        value = registry_of(sessions).get_sample_value
        kind = {"kind": "diagnostic"}
        waiting = kind | {"queue": "cpu", "priority": "9"}

        assert 1 == value("karyobridge_job_metrics_up")
        assert 1 == value("karyobridge_jobs_total", kind | {"outcome": "partial"})
        assert 1 == value("karyobridge_jobs_unfinished", waiting | {"status": "queued"})
        assert 0 <= (value("karyobridge_job_oldest_queued_seconds", waiting) or -1) < 60
        assert (1, 3) == (
            value("karyobridge_job_queue_wait_seconds_count", kind),
            value("karyobridge_job_queue_wait_seconds_sum", kind),
        )
        assert (1, 4) == (
            value("karyobridge_job_run_seconds_count", kind),
            value("karyobridge_job_run_seconds_sum", kind),
        )
        assert (1, 1) == tuple(
            value("karyobridge_items_total", kind | {"outcome": outcome})
            for outcome in ("succeeded", "failed")
        )

    def test_counts_warnings_of_drift(self, sessions: SessionFactory) -> None:
        """A job without a figure, or with one that is no reason to worry, is none of them."""
        service = JobService(sessions, NullDispatcher(), Settings(_env_file=None))
        results = [
            '{"drift": {"beyond_p99": 0.5, "warning": "Look at them."}}',
            '{"drift": {"beyond_p99": 0.01, "warning": null}}',
            '{"drift": {"filter": null, "reason": "none"}}',
            "{}",
        ]
        for result in results:
            job = service.submit("diagnostic", {})
            with sessions.begin() as session:
                session.execute(
                    text(
                        "UPDATE jobs SET result = CAST(:result AS jsonb), status = 'succeeded', "
                        "finished_at = now() WHERE id = :id"
                    ),
                    {"result": result, "id": job.id},
                )

        assert 1 == registry_of(sessions).get_sample_value(
            "karyobridge_jobs_drift_warned_total", {"kind": "diagnostic"}
        )

    def test_does_not_call_a_back_off_waiting_in_the_queue(self, sessions: SessionFactory) -> None:
        """A job that started at once, failed and was tried again a minute later has waited for nothing."""
        service = JobService(sessions, NullDispatcher(), Settings(_env_file=None))
        service.submit("diagnostic", {})
        with sessions.begin() as session:
            session.execute(
                text(
                    "UPDATE jobs SET started_at = created_at, not_before = now() + interval '1 min', "
                    "status = 'succeeded', finished_at = now() + interval '2 min'"
                )
            )
        waited_s = registry_of(sessions).get_sample_value(
            "karyobridge_job_queue_wait_seconds_sum", {"kind": "diagnostic"}
        )

        assert 0 == waited_s

    def test_shows_jobs_whose_worker_is_silent(self, sessions: SessionFactory) -> None:
        """A lease that ran out and was not taken back is a sign that no sweep runs."""
        service = JobService(sessions, NullDispatcher(), Settings(_env_file=None))
        held, lost = service.submit("diagnostic", {}), service.submit("diagnostic", {})
        with sessions.begin() as session:
            LeaseRepository(session).claim(held.id, "worker", 60)
            LeaseRepository(session).claim(lost.id, "worker", -1)

        assert 1 == registry_of(sessions).get_sample_value("karyobridge_job_leases_expired", {"queue": "cpu"})

    def test_says_that_it_is_blind_when_the_database_is_away(self, tmp_path: Path) -> None:
        """The scrape works, and shows no numbers that would look like an idle service."""
        engine = make_engine(f"postgresql+psycopg://nobody@/nothing?host={tmp_path}")
        names = {family.name for family in registry_of(session_factory(engine)).collect()}
        up = registry_of(session_factory(engine)).get_sample_value("karyobridge_job_metrics_up")
        engine.dispose()

        assert {"karyobridge_job_metrics_up"} == names
        assert 0 == up


def run_once(sessions: SessionFactory, job_id: str, *, failing: bool) -> None:
    """Claim a job and record what is pending of it: the first item as told, the others as done."""
    with sessions.begin() as session:
        leases = LeaseRepository(session)
        held = leases.claim(job_id, "worker", 60)
        assert held is not None
        for item in held.pending:
            error = BAD if failing and item.position == 0 else None
            leases.record(held, item.position, outputs={}, error=error, budget=3)
        leases.finish(held, lambda tally: outcome_of(job_id, tally, {}))


def figures(sessions: SessionFactory) -> dict[str, float]:
    """Return every counter of jobs and items, by name and labels."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in registry_of(sessions).collect()
        for sample in family.samples
        if sample.name.endswith(("_total", "_count", "_sum"))
    }


class TestTotals:
    def test_are_the_same_before_and_after_the_sweep_counts(self, sessions: SessionFactory) -> None:
        """Whether a job stands in its row or in the sums makes no difference to anybody."""
        service = JobService(sessions, NullDispatcher(), Settings(_env_file=None))
        for failing in (True, False, False):
            run_once(sessions, service.submit("diagnostic", {"items": 3}).id, failing=failing)
        before = figures(sessions)
        with sessions.begin() as session:
            counted = TotalsRepository(session).count_ended(limit=2)
        partly = figures(sessions)
        with sessions.begin() as session:
            counted += TotalsRepository(session).count_ended()
        after = figures(sessions)

        assert 3 == counted
        assert pytest.approx(before) == partly  # seconds are summed in another order
        assert pytest.approx(before) == after
        assert 3 == sum(value for name, value in after.items() if name.startswith("karyobridge_jobs_total"))

    def test_never_go_down_when_a_job_is_retried(self, sessions: SessionFactory) -> None:
        """Prometheus would take that for a restart; a second end counts as one more."""
        service = JobService(sessions, NullDispatcher(), Settings(_env_file=None))
        job = service.submit("diagnostic", {"items": 3})
        run_once(sessions, job.id, failing=True)
        with sessions.begin() as session:
            TotalsRepository(session).count_ended()
        steps = [figures(sessions)]
        service.retry(job.id)
        steps.append(figures(sessions))
        run_once(sessions, job.id, failing=False)
        steps.append(figures(sessions))
        with sessions.begin() as session:
            TotalsRepository(session).count_ended()
        steps.append(figures(sessions))
        items = {"kind": "diagnostic"}
        value = registry_of(sessions).get_sample_value

        assert all(later[name] >= earlier[name] for earlier, later in pairwise(steps) for name in earlier)
        assert (1, 1) == tuple(
            value("karyobridge_jobs_total", items | {"outcome": outcome})
            for outcome in ("partial", "succeeded")
        )
        assert (3, 1) == tuple(
            value("karyobridge_items_total", items | {"outcome": outcome})
            for outcome in ("succeeded", "failed")
        )

    def test_count_each_job_once_however_many_sweeps_count(self, sessions: SessionFactory) -> None:
        """A sweep passes over what another one is counting."""
        service = JobService(sessions, NullDispatcher(), Settings(_env_file=None))
        run_once(sessions, service.submit("diagnostic", {}).id, failing=False)
        with sessions.begin() as first:
            counted = TotalsRepository(first).count_ended()
            with sessions.begin() as second:
                counted_meanwhile = TotalsRepository(second).count_ended()

        assert (1, 0) == (counted, counted_meanwhile)
        assert 1 == registry_of(sessions).get_sample_value(
            "karyobridge_jobs_total", {"kind": "diagnostic", "outcome": "succeeded"}
        )
