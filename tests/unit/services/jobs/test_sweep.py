from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from services.config import Settings
from services.db.engine import SessionFactory
from services.jobs.dispatch import NullDispatcher
from services.jobs.errors import BrokerAwayError
from services.jobs.leases import LeaseRepository
from services.jobs.service import JobService
from services.jobs.sweep import SweepReport, sweep
from services.jobs.types import Claim, Job

SETTINGS = Settings(_env_file=None, job_max_attempts=2, retry_backoff_s=0, redispatch_after_s=10)
NOTHING = SweepReport(
    sent=0, requeued=0, failed=0, cancelled=0, crashed_items=0, purged_keys=0, purged_deliveries=0
)


class Broker(NullDispatcher):
    """A broker that holds a known number of messages."""

    def __init__(self, waiting: int = 0, *, away: bool = False) -> None:
        self._waiting = waiting
        self._away = away
        self.sent: list[str] = []

    def send(self, job_id: str, queue: str, priority: int) -> None:  # noqa: ARG002 - the seam's signature
        """Remember the id."""
        self.sent.append(job_id)

    def waiting(self, queue: str) -> int:  # noqa: ARG002 - the seam's signature
        """Return the number given."""
        if self._away:
            raise BrokerAwayError("Nobody listens.")
        return self._waiting


@pytest.fixture
def service(sessions: SessionFactory) -> JobService:
    return JobService(sessions, NullDispatcher(), SETTINGS)


def change(sessions: SessionFactory, assignment: str) -> None:
    """Set columns of all jobs."""
    with sessions.begin() as session:
        session.execute(text(f"UPDATE jobs SET {assignment}"))  # noqa: S608 - the test's own words


def claim_and_die(sessions: SessionFactory, job: Job, *, begin: int | None = None) -> Claim:
    """Claim a job, begin an item, and go silent for longer than the lease."""
    with sessions.begin() as session:
        leases = LeaseRepository(session)
        held = leases.claim(job.id, "worker", 60)
        if held is None:
            raise AssertionError("the job is claimable")
        if begin is not None:
            item = next(item for item in held.pending if item.position == begin)
            leases.begin(held, item)
    change(sessions, "lease_expires_at = now() - interval '1 second' WHERE lease_token IS NOT NULL")
    return held


class TestSending:
    def test_leaves_fresh_jobs_and_those_in_the_broker_alone(
        self, sessions: SessionFactory, service: JobService
    ) -> None:
        """A message may take its time, and a backlog is not sent twice."""
        service.submit("diagnostic", {})
        empty, full = Broker(waiting=0), Broker(waiting=1)

        fresh = sweep(sessions, empty, SETTINGS)
        change(sessions, "dispatched_at = now() - interval '11 seconds'")
        old = sweep(sessions, full, SETTINGS)

        assert (NOTHING, NOTHING) == (fresh, old)
        assert [] == empty.sent + full.sent

    def test_sends_again_what_the_broker_has_lost(
        self, sessions: SessionFactory, service: JobService
    ) -> None:
        """Fewer messages than waiting jobs means that some were lost; the most urgent are sent first."""
        low = service.submit("segmenter_training", {"name": "n"})
        high = service.submit("segmentation", {}, item_ids=["a"])
        change(sessions, "dispatched_at = now() - interval '11 seconds'")
        broker = Broker(waiting=1)

        first = sweep(sessions, broker, SETTINGS)
        second = sweep(sessions, broker, SETTINGS)

        assert (2, 0) == (first.sent, second.sent)
        assert [high.id, low.id] == broker.sent

    def test_sends_a_job_when_its_back_off_ends(self, sessions: SessionFactory, service: JobService) -> None:
        """Before its time it is not even looked at."""
        job = service.submit("diagnostic", {})
        broker = Broker(waiting=5)
        change(sessions, "dispatched_at = NULL, not_before = now() + interval '1 minute'")
        early = sweep(sessions, broker, SETTINGS).sent
        change(sessions, "not_before = now()")
        due = sweep(sessions, broker, SETTINGS).sent

        assert (0, 1) == (early, due)
        assert [job.id] == broker.sent

    def test_simultaneous_sweeps_send_a_job_once(self, sessions: SessionFactory, service: JobService) -> None:
        """What one sweep holds, the others pass over."""
        expected = sorted(service.submit("diagnostic", {}).id for _ in range(20))
        change(sessions, "dispatched_at = NULL")
        broker = Broker()
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda _: sweep(sessions, broker, SETTINGS), range(6)))

        assert expected == sorted(broker.sent)

    def test_a_broker_that_is_away_is_no_error(self, sessions: SessionFactory, service: JobService) -> None:
        """The next sweep tries again, and other work goes on."""
        job = service.submit("diagnostic", {})
        claim_and_die(sessions, job)

        report = sweep(sessions, Broker(away=True), SETTINGS)

        assert (1, 0) == (report.requeued, report.sent)


class TestTakingBack:
    def test_leaves_a_live_lease_alone(self, sessions: SessionFactory, service: JobService) -> None:
        """Nothing happens to a job whose worker is heard of."""
        job = service.submit("diagnostic", {})
        with sessions.begin() as session:
            LeaseRepository(session).claim(job.id, "worker", 60)

        assert NOTHING == sweep(sessions, Broker(), SETTINGS)
        assert "running" == service.get(job.id).status

    def test_queues_and_sends_a_dead_workers_job(self, sessions: SessionFactory, service: JobService) -> None:
        """The same sweep takes it back and sends it."""
        job = service.submit("diagnostic", {})
        claim_and_die(sessions, job)
        broker = Broker(waiting=9)

        report = sweep(sessions, broker, SETTINGS)

        assert (1, 1) == (report.requeued, report.sent)
        assert [job.id] == broker.sent
        assert ("queued", 1) == (service.get(job.id).status, service.get(job.id).attempt)

    def test_does_not_wait_for_rows_that_a_late_worker_writes(
        self, sessions: SessionFactory, service: JobService
    ) -> None:
        """Whoever writes a row that names the job holds the job's key, which no sweep changes."""
        job = service.submit("diagnostic", {})
        claim_and_die(sessions, job)
        item = "INSERT INTO job_items (job_id, position, input_id) VALUES (:id, 99, 'late')"
        with sessions.begin() as session:
            session.execute(text(item), {"id": job.id})
            report = sweep(sessions, Broker(), SETTINGS)

        assert 1 == report.requeued

    def test_fails_a_job_whose_budget_is_used_up(self, sessions: SessionFactory, service: JobService) -> None:
        """A job that only ever kills workers ends, and says why."""
        job = service.submit("diagnostic", {})
        reports = []
        for _ in range(2):
            claim_and_die(sessions, job)
            reports.append(sweep(sessions, Broker(), SETTINGS))
        ended = service.get(job.id)

        assert [(1, 0), (0, 1)] == [(r.requeued, r.failed) for r in reports]
        assert ("failed", "worker_lost") == (ended.status, (ended.error or {})["code"])

    def test_gives_up_an_item_after_two_deaths_and_keeps_the_rest(
        self, sessions: SessionFactory, service: JobService
    ) -> None:
        """The culprit is failed, and the job gets a full budget for what is left."""
        job = service.submit("diagnostic", {"items": 3})
        reports = []
        for _ in range(2):
            claim_and_die(sessions, job, begin=1)
            reports.append(sweep(sessions, Broker(), SETTINGS))
        after = service.get(job.id)
        items = service.items(job.id).items

        assert [(1, 0), (1, 1)] == [(r.requeued, r.crashed_items) for r in reports]
        assert ["pending", "failed", "pending"] == [item.status for item in items]
        assert "worker_crashed_on_item" == (items[1].error or {})["code"]
        assert ("queued", 1, 2) == (after.status, after.progress.done, after.max_attempts - after.attempt)

    def test_ends_a_cancelled_job_of_a_dead_worker(
        self, sessions: SessionFactory, service: JobService
    ) -> None:
        """Nobody is left to confirm the cancellation, so the sweep does."""
        job = service.submit("diagnostic", {})
        claim_and_die(sessions, job)
        service.cancel(job.id)

        report = sweep(sessions, Broker(), SETTINGS)

        assert 1 == report.cancelled
        assert "cancelled" == service.get(job.id).status

    def test_treats_a_kind_of_a_newer_release_with_the_default_budget(
        self, sessions: SessionFactory, service: JobService
    ) -> None:
        """An older sweep beside newer workers does not stumble."""
        job = service.submit("diagnostic", {})
        claim_and_die(sessions, job)
        change(sessions, "kind = 'divination'")

        assert 1 == sweep(sessions, Broker(), SETTINGS).requeued


class TestPurging:
    def test_forgets_old_idempotency_keys_only(self, sessions: SessionFactory) -> None:
        """Keys live as long as the settings promise."""
        with sessions.begin() as session:
            for key, age in (("old", "49 hours"), ("new", "47 hours")):
                session.execute(
                    text(
                        "INSERT INTO idempotency_keys (caller, key, fingerprint, locked_until, created_at) "
                        "VALUES ('c', :key, 'f', now(), now() - CAST(:age AS interval))"
                    ),
                    {"key": key, "age": age},
                )
        report = sweep(sessions, Broker(), SETTINGS)
        with sessions() as session:
            left = session.scalars(text("SELECT key FROM idempotency_keys")).all()

        assert 1 == report.purged_keys
        assert ["new"] == left
