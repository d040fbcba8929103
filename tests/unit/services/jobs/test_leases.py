from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from services.config import Settings
from services.db.engine import SessionFactory
from services.jobs.dispatch import NullDispatcher
from services.jobs.due import backoff_delay_s
from services.jobs.errors import LeaseLostError
from services.jobs.leases import LeaseRepository
from services.jobs.outcome import outcome_of
from services.jobs.service import JobService
from services.jobs.types import Claim, Job

BUDGET = 3
PROBLEM = {"code": "store_unavailable", "title": "t", "detail": "d"}


@pytest.fixture
def service(sessions: SessionFactory) -> JobService:
    return JobService(sessions, NullDispatcher(), Settings(_env_file=None, job_max_attempts=BUDGET))


@pytest.fixture
def job(service: JobService) -> Job:
    return service.submit("diagnostic", {"items": 3})


def try_claim(sessions: SessionFactory, job: Job) -> Claim | None:
    with sessions.begin() as session:
        return LeaseRepository(session).claim(job.id, "worker", 60)


@pytest.fixture
def held(sessions: SessionFactory, job: Job) -> Claim:
    claim = try_claim(sessions, job)
    if claim is None:
        raise AssertionError("a new job is claimable")
    return claim


def steal(sessions: SessionFactory, held: Claim) -> Claim:
    """Let the lease run out and another worker take the job."""
    with sessions.begin() as session:
        session.execute(
            text("UPDATE jobs SET status = 'queued', lease_token = NULL WHERE id = :id"), {"id": held.job.id}
        )
    thief = try_claim(sessions, held.job)
    if thief is None:
        raise AssertionError("a job taken back is claimable")
    return thief


class TestClaim:
    def test_makes_a_queued_job_run(self, service: JobService, held: Claim) -> None:
        """The claim counts as an attempt and starts the job's time."""
        job = service.get(held.job.id)

        assert (job.status, job.attempt) == ("running", 1)
        assert job.started_at is not None
        assert 0 <= held.waited_s < 60

    def test_lets_one_of_many_win(self, sessions: SessionFactory, job: Job) -> None:
        """Sixteen simultaneous claims give exactly one lease."""
        with ThreadPoolExecutor(16) as pool:
            claims = list(pool.map(lambda _: try_claim(sessions, job), range(16)))

        assert sum(claim is not None for claim in claims) == 1

    @pytest.mark.parametrize(
        "change",
        ["status = 'cancelled', finished_at = now()", "not_before = now() + interval '1 minute'"],
    )
    def test_passes_over_what_is_not_queued_and_due(
        self, sessions: SessionFactory, job: Job, change: str
    ) -> None:
        """A cancelled job and one in its back-off are nobody's."""
        with sessions.begin() as session:
            session.execute(text(f"UPDATE jobs SET {change}"))  # noqa: S608 - the test's own words

        assert try_claim(sessions, job) is None

    def test_keeps_the_start_of_the_first_attempt(
        self, sessions: SessionFactory, service: JobService, held: Claim
    ) -> None:
        """Later attempts do not make a job look younger."""
        steal(sessions, held)

        assert (2, held.job.started_at) == (
            service.get(held.job.id).attempt,
            service.get(held.job.id).started_at,
        )


class TestFencing:
    def test_nothing_is_written_with_a_lost_lease(
        self, sessions: SessionFactory, service: JobService, held: Claim
    ) -> None:
        """Whoever lost the job changes neither it nor its items, and is told so."""
        (item, *_) = service.items(held.job.id).items
        steal(sessions, held)
        before = (service.get(held.job.id), service.items(held.job.id))

        def refused(session: Session) -> list[str]:
            leases = LeaseRepository(session)
            attempts = {
                "begin": lambda: leases.begin(held, item),
                "record": lambda: leases.record(held, 0, outputs={}, error=None, budget=BUDGET),
                "finish": lambda: leases.finish(held, lambda tally: outcome_of("j", tally, {})),
                "hand_back": lambda: leases.hand_back(held, []),
                "retry": lambda: leases.retry(held, [], PROBLEM, budget=BUDGET, backoff_s=1),
            }
            names = []
            for name, attempt in attempts.items():
                with pytest.raises(LeaseLostError):
                    attempt()
                names.append(name)
            return names

        with sessions.begin() as session:
            names = refused(session)
            state = LeaseRepository(session).renew(held, 60)

        assert names == ["begin", "record", "finish", "hand_back", "retry"]
        assert state == "lost"
        assert before == (service.get(held.job.id), service.items(held.job.id))

    def test_rows_of_a_lost_lease_are_not_written_either(self, sessions: SessionFactory, held: Claim) -> None:
        """What a pipeline adds beside the item shares the item's fate."""
        steal(sessions, held)
        written: list[str] = []
        with pytest.raises(LeaseLostError), sessions.begin() as session:
            LeaseRepository(session).record(
                held, 0, outputs={}, error=None, budget=BUDGET, write=lambda _: written.append("rows")
            )

        assert written == []


class TestRecord:
    def test_records_once(self, sessions: SessionFactory, service: JobService, held: Claim) -> None:
        """A repetition after a lost connection finds the item recorded and adds no rows."""
        written: list[str] = []
        answers = []
        for outputs in ({"n": 1}, {"n": 2}):
            with sessions.begin() as session:
                answers.append(
                    LeaseRepository(session).record(
                        held,
                        0,
                        outputs=outputs,
                        error=None,
                        budget=BUDGET,
                        write=lambda _: written.append("rows"),
                    )
                )

        assert answers == [True, False]
        assert written == ["rows"]
        assert service.items(held.job.id).items[0].outputs == {"n": 1}
        assert service.get(held.job.id).progress.done == 1

    def test_fills_the_budget_up(self, sessions: SessionFactory, service: JobService, held: Claim) -> None:
        """Only attempts in a row that bring nothing are counted against a job."""
        with sessions.begin() as session:
            LeaseRepository(session).record(held, 0, outputs={}, error=None, budget=BUDGET)

        assert held.job.attempt + BUDGET == service.get(held.job.id).max_attempts


class TestHandBack:
    def test_queues_the_job_free_of_charge(
        self, sessions: SessionFactory, service: JobService, held: Claim
    ) -> None:
        """The item at hand is no suspect, and the budget is what it was."""
        (item, *_) = service.items(held.job.id).items
        with sessions.begin() as session:
            LeaseRepository(session).begin(held, item)
            status = LeaseRepository(session).hand_back(held, [item.position])
        job = service.get(held.job.id)

        assert (status, job.status) == ("queued", "queued")
        assert job.max_attempts - job.attempt == BUDGET
        assert service.items(held.job.id).items[0].started == 0

    def test_ends_a_job_that_is_to_be_cancelled(
        self, sessions: SessionFactory, service: JobService, held: Claim
    ) -> None:
        """A wish to cancel is not forgotten by a shutdown."""
        service.cancel(held.job.id)
        with sessions.begin() as session:
            status = LeaseRepository(session).hand_back(held, [])

        assert (status, service.get(held.job.id).status) == ("cancelled", "cancelled")


class TestRetry:
    def test_waits_twice_as_long_each_time_and_then_fails(
        self, sessions: SessionFactory, service: JobService, job: Job
    ) -> None:
        """After the budget's last attempt the job fails with the fault that it met."""
        seen = []
        for _ in range(BUDGET):
            with sessions.begin() as session:
                session.execute(text("UPDATE jobs SET not_before = NULL"))
            held = try_claim(sessions, job)
            if held is None:
                raise AssertionError("the job is claimable")
            with sessions.begin() as session:
                status = LeaseRepository(session).retry(held, [], PROBLEM, budget=BUDGET, backoff_s=100)
                delay = session.scalar(text("SELECT extract(epoch FROM not_before - now()) FROM jobs"))
            seen.append((status, None if delay is None else round(float(delay))))
        ended = service.get(job.id)

        assert seen == [("queued", 100), ("queued", 200), ("failed", None)]
        assert (ended.status, ended.error) == ("failed", PROBLEM)

    def test_backoff_starts_afresh_after_progress(self) -> None:
        """An attempt that recorded something does not lengthen the pause."""
        assert [
            backoff_delay_s(1, 3, BUDGET, 5.0),
            backoff_delay_s(2, 3, BUDGET, 5.0),
            backoff_delay_s(7, 10, BUDGET, 5.0),
        ] == [5.0, 10.0, 5.0]


class TestFinish:
    def test_decides_from_the_items(self, sessions: SessionFactory, service: JobService, held: Claim) -> None:
        """Two failures of one kind and a success make a partial job; its result is kept."""
        with sessions.begin() as session:
            leases = LeaseRepository(session)
            leases.record(held, 0, outputs={}, error=None, budget=BUDGET)
            for position in (1, 2):
                leases.record(held, position, outputs={}, error=PROBLEM, budget=BUDGET)
        tallies = []
        with sessions.begin() as session:
            LeaseRepository(session).finish(
                held, lambda tally: tallies.append(tally) or outcome_of("j", tally, {"n": 1})
            )
        ended = service.get(held.job.id)

        assert [(t.pending, t.succeeded, t.failed, t.problems) for t in tallies] == [(0, 1, 2, (PROBLEM,))]
        assert (ended.status, ended.result, ended.error) == ("partial", {"n": 1}, None)
