"""Real workers and a real broker: who waits for whom, and what a job that makes room keeps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from services.db.engine import SessionFactory
from services.jobs.types import Job, PriorityName
from tests.support.fleet import Fleet, hasty_fleet

pytestmark = pytest.mark.integration

ITEM_S = 0.1


@pytest.fixture
def fleet(database_url: str, sessions: SessionFactory, tmp_path: Path) -> Iterator[Fleet]:
    """Workers whose turns last for a second or two instead of minutes."""
    turns = {"yield_after_s": 1.5, "min_turn_s": 0.2, "time_slice_s": 2}
    with hasty_fleet(database_url, sessions, tmp_path, **turns) as fleet:
        yield fleet


def submit(fleet: Fleet, items: int, priority: PriorityName) -> Job:
    """Submit work of so many tenths of a second."""
    return fleet.jobs.submit("diagnostic", {"items": items, "seconds_per_item": ITEM_S}, priority=priority)


def ended(fleet: Fleet, *jobs: Job) -> list[Job]:
    """Wait until the jobs have ended."""
    return [fleet.wait(job, "succeeded", "partial", "failed") for job in jobs]


def end_of(job: Job) -> datetime:
    """Return when an ended job ended."""
    assert job.finished_at is not None
    return job.finished_at


def attempts_of(fleet: Fleet, job: Job) -> list[int]:
    """Return, per item, in which turn it was recorded."""
    return [item.outputs["attempt"] for item in fleet.items(job)]


class TestHigherPriority:
    def test_a_long_job_makes_room_and_goes_on(self, fleet: Fleet) -> None:
        """The urgent one is next on the only worker; the long one keeps its items and goes on."""
        long = submit(fleet, 40, "background")
        fleet.worker()
        fleet.wait_done(long, 2)
        urgent = submit(fleet, 1, "normal")
        first, second = ended(fleet, urgent, long)
        attempts = attempts_of(fleet, long)

        assert (1, "succeeded") == (first.attempt, first.status)
        assert (2, "succeeded", 40) == (second.attempt, second.status, second.progress.done)
        assert end_of(first) < end_of(second)
        assert {1, 2} == set(attempts)
        assert sorted(attempts) == attempts

    def test_exactly_one_of_three_makes_room(self, fleet: Fleet) -> None:
        """Three long jobs run, one short one waits: two of them never notice."""
        for worker in [fleet.worker(ready=False) for _ in range(3)]:
            fleet.wait_ready(
                worker
            )  # before there is work: whoever waits for a worker's start displaces others
        long = [submit(fleet, 45, "background") for _ in range(3)]
        for job in long:
            fleet.wait_done(job, 2)
        urgent = submit(fleet, 1, "normal")
        fleet.wait(urgent, "succeeded")

        assert [1, 1, 2] == sorted(job.attempt for job in ended(fleet, *long))

    def test_nobody_makes_room_while_a_worker_is_idle(self, fleet: Fleet) -> None:
        """An idle worker takes the urgent job, and the running one goes on."""
        for worker in [fleet.worker(ready=False) for _ in range(2)]:
            fleet.wait_ready(worker)
        long = submit(fleet, 25, "background")
        fleet.wait_done(long, 2)
        urgent = submit(fleet, 1, "normal")

        assert [1, 1] == [job.attempt for job in ended(fleet, urgent, long)]


class TestEqualPriority:
    def test_long_and_short_jobs_take_turns(self, fleet: Fleet) -> None:
        """A short job waits for a slice, not for the long job's end; neither is handed back for nothing."""
        long = submit(fleet, 45, "normal")
        fleet.worker()
        fleet.wait_done(long, 2)
        short = [submit(fleet, 2, "normal") for _ in range(2)]
        done = ended(fleet, *short, long)

        assert [1, 1] == [job.attempt for job in done[:2]]
        assert max(end_of(job) for job in done[:2]) < end_of(done[2])
        assert 2 == done[2].attempt

    def test_two_long_jobs_alternate(self, fleet: Fleet) -> None:
        """Round robin: each goes behind the other at the end of its slice."""
        jobs = [submit(fleet, 45, "normal") for _ in range(2)]
        fleet.worker()
        done = ended(fleet, *jobs)

        assert all(job.attempt >= 2 for job in done)
        assert abs((end_of(done[0]) - end_of(done[1])).total_seconds()) < 45 * ITEM_S

    def test_the_place_in_the_queue_is_behind_those_that_wait(
        self, fleet: Fleet, sessions: SessionFactory
    ) -> None:
        """A job that made room is shown behind the jobs of its priority that are due."""
        first = submit(fleet, 45, "normal")
        worker = fleet.worker()
        fleet.wait_done(first, 2)
        others = [submit(fleet, 20, "normal") for _ in range(2)]
        fleet.wait(others[0], "running")
        worker.kill()
        with sessions() as session:
            waiting = session.scalars(text("SELECT id FROM jobs WHERE status = 'queued'")).all()
        places = {job_id: fleet.jobs.get_with_position(job_id)[1] for job_id in waiting}

        assert {others[1].id: 1, first.id: 2} == places
