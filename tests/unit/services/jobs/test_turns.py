from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from services.config import Settings
from services.db.engine import SessionFactory
from services.jobs.dispatch import NullDispatcher
from services.jobs.leases import LeaseRepository
from services.jobs.service import JobService
from services.jobs.turns import TurnRepository, TurnRules
from services.jobs.types import Claim, Job, PriorityName

RULES = TurnRules(yield_after_s=5, min_turn_s=30, time_slice_s=300)
LONG_S = 10_000.0


@pytest.fixture
def service(sessions: SessionFactory) -> JobService:
    return JobService(sessions, NullDispatcher(), Settings(_env_file=None))


@pytest.fixture
def queue(sessions: SessionFactory, service: JobService) -> Queue:
    return Queue(sessions, service)


class Queue:
    """Jobs that wait and run, for as long as a test says."""

    def __init__(self, sessions: SessionFactory, service: JobService) -> None:
        self._sessions = sessions
        self._service = service

    def waiting(self, priority: PriorityName, since_s: float = 60) -> Job:
        """Submit a job, so many seconds ago."""
        job = self._service.submit("artifact_import", {"name": "a"}, priority=priority)
        self._change(job, "created_at = now() - make_interval(secs => :s)", s=since_s)
        return job

    def running(self, priority: PriorityName, turn_s: float, turns_lost: int = 0) -> tuple[Claim, float]:
        """Let a job run for so many seconds; returns what `over` asks about."""
        job = self.waiting(priority)
        with self._sessions.begin() as session:
            claim = LeaseRepository(session).claim(job.id, "worker", LONG_S)
        assert claim is not None
        self._change(
            job,
            "claimed_at = now() - make_interval(secs => :s), turns_lost = :lost",
            s=turn_s,
            lost=turns_lost,
        )
        with self._sessions() as session:
            claimed_at = session.scalar(text("SELECT claimed_at FROM jobs WHERE id = :id"), {"id": job.id})
        return (
            Claim(claim.job, claim.token, claim.waited_s, claim.pending, claimed_at, turns_lost),
            turn_s,
        )

    def hand_back(self, run: tuple[Claim, float]) -> None:
        """Let a running job make room."""
        with self._sessions.begin() as session:
            LeaseRepository(session).hand_back(run[0], [])

    def cancel(self, run: tuple[Claim, float]) -> None:
        """Ask a running job to stop."""
        self._service.cancel(run[0].job.id)

    def over(self, *runs: tuple[Claim, float], **changes: Any) -> list[bool]:
        """Ask for each running job whether its turn is over."""
        with self._sessions() as session:
            turns = TurnRepository(session)
            return [turns.is_over(claim, RULES, turn_s, **changes) for claim, turn_s in runs]

    def _change(self, job: Job, values: str, **parameters: Any) -> None:
        query = f"UPDATE jobs SET {values} WHERE id = :id"  # noqa: S608 - the test's own words
        with self._sessions.begin() as session:
            session.execute(text(query), {"id": job.id, **parameters})


class TestIsOver:
    def test_nobody_makes_room_for_nobody(self, queue: Queue) -> None:
        """A job that runs alone may run for ever."""
        run = queue.running("background", LONG_S)

        assert [False] == queue.over(run)

    def test_the_longest_turn_of_the_lowest_priority_ends_for_one_that_waits(self, queue: Queue) -> None:
        """Of several running jobs exactly one makes room for one waiting job."""
        sample = queue.running("normal", 90)
        young, old = queue.running("background", 60), queue.running("background", 70)
        queue.waiting("urgent")

        assert [False, False, True] == queue.over(sample, young, old)

    def test_as_many_make_room_as_wait(self, queue: Queue) -> None:
        """Two waiting jobs get two workers, and the third one keeps its job."""
        runs = [queue.running("background", turn_s) for turn_s in (60, 70, 80)]
        queue.waiting("normal")
        queue.waiting("normal")

        assert [False, True, True] == queue.over(*runs)

    def test_a_turn_is_never_shorter_than_the_least(self, queue: Queue) -> None:
        """Within its first half minute a job makes room for nobody, and another one does instead."""
        young, old = queue.running("background", 29), queue.running("normal", 31)
        queue.waiting("urgent")

        assert [False, True] == queue.over(young, old)

    def test_the_least_turn_doubles_while_turns_bring_nothing(self, queue: Queue) -> None:
        """After two lost turns a job has two minutes, whoever waits, and others make room meanwhile."""
        lost, later = queue.running("background", 119, turns_lost=2), queue.running("normal", 60)
        queue.waiting("urgent")

        assert [False, True] == queue.over(lost, later)
        assert [True] == queue.over((lost[0], 120.0))

    def test_equal_priority_waits_for_the_end_of_the_time_slice(self, queue: Queue) -> None:
        """Jobs of one priority take turns of a slice."""
        early, late = queue.running("normal", 299), queue.running("normal", 301)
        queue.waiting("normal")

        assert [False, True] == queue.over(early, late)

    def test_lower_priority_never_displaces(self, queue: Queue) -> None:
        """However long a background job waits, a sample goes on."""
        run = queue.running("normal", LONG_S)
        queue.waiting("background")

        assert [False] == queue.over(run)

    def test_an_idle_worker_has_its_chance_first(self, queue: Queue) -> None:
        """A job that waits for less than five seconds displaces nobody."""
        run = queue.running("background", LONG_S)
        queue.waiting("normal", since_s=4)

        assert [False] == queue.over(run)

    def test_a_worker_that_is_about_to_be_free_is_enough(self, queue: Queue) -> None:
        """While a job is being cancelled, or has just gone back, no second one makes room."""
        cancelling, runs = queue.running("normal", 60), queue.running("background", 60)
        queue.waiting("urgent")
        before = queue.over(runs)
        queue.cancel(cancelling)
        while_cancelling = queue.over(runs)
        queue.waiting("urgent")
        for_the_second = queue.over(runs)
        queue.hand_back(runs)
        other = queue.running("background", 60)

        assert ([True], [False], [True]) == (before, while_cancelling, for_the_second)
        assert [False] == queue.over(other)

    def test_other_queues_and_unknown_kinds_do_not_count(
        self, queue: Queue, sessions: SessionFactory
    ) -> None:
        """Room is made only for what this worker could run."""
        run = queue.running("background", 60)
        queue.waiting("normal")

        assert [False] == queue.over(run, kinds={"diagnostic"})

        with sessions.begin() as session:
            session.execute(text("UPDATE jobs SET queue = 'elsewhere' WHERE status = 'queued'"))

        assert [False] == queue.over(run)


class TestRules:
    def test_a_job_that_never_brings_anything_does_not_overflow(self) -> None:
        """The least turn stops doubling at some weeks."""
        assert 30 * 2**16 == RULES.least_turn_s(10_000)
