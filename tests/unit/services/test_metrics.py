from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry
from sqlalchemy import text

from services.config import Settings
from services.db.engine import SessionFactory, make_engine, session_factory
from services.jobs.dispatch import NullDispatcher
from services.jobs.leases import LeaseRepository
from services.jobs.outcome import outcome_of
from services.jobs.service import JobService
from services.metrics import RATE_WINDOW_S, JobCollector

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

        assert 1 == value("karyobridge_job_metrics_up")
        assert 1 == value("karyobridge_jobs_total", kind | {"outcome": "partial"})
        assert 1 == value("karyobridge_jobs_unfinished", kind | {"status": "queued"})
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
        assert 2 / RATE_WINDOW_S == value("karyobridge_items_per_second", kind)

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
                    text("UPDATE jobs SET result = CAST(:result AS jsonb) WHERE id = :id"),
                    {"result": result, "id": job.id},
                )

        assert 1 == registry_of(sessions).get_sample_value(
            "karyobridge_jobs_drift_warned_total", {"kind": "diagnostic"}
        )

    def test_does_not_call_a_back_off_waiting_in_the_queue(self, sessions: SessionFactory) -> None:
        """A job that started at once and is now to be retried in a minute has waited for nothing."""
        service = JobService(sessions, NullDispatcher(), Settings(_env_file=None))
        service.submit("diagnostic", {})
        with sessions.begin() as session:
            session.execute(
                text("UPDATE jobs SET started_at = created_at, not_before = now() + interval '1 min'")
            )
        waited_s = registry_of(sessions).get_sample_value(
            "karyobridge_job_queue_wait_seconds_sum", {"kind": "diagnostic"}
        )

        assert 0 == waited_s

    def test_says_that_it_is_blind_when_the_database_is_away(self, tmp_path: Path) -> None:
        """The scrape works, and shows no numbers that would look like an idle service."""
        engine = make_engine(f"postgresql+psycopg://nobody@/nothing?host={tmp_path}")
        names = {family.name for family in registry_of(session_factory(engine)).collect()}
        up = registry_of(session_factory(engine)).get_sample_value("karyobridge_job_metrics_up")
        engine.dispose()

        assert {"karyobridge_job_metrics_up"} == names
        assert 0 == up
