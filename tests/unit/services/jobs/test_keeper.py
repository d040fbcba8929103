from __future__ import annotations

import threading

import pytest
from sqlalchemy import text

from services.config import Settings
from services.db.engine import SessionFactory
from services.jobs.dispatch import NullDispatcher
from services.jobs.keeper import LeaseKeeper
from services.jobs.leases import LeaseRepository
from services.jobs.service import JobService
from services.jobs.transactions import PatientTransactions
from services.jobs.turns import TurnRules
from services.jobs.types import Claim
from tests.support.fleet import eventually

FOR_EVER_S = 3600.0
WITHIN_S = 10.0
NO_TURNS = TurnRules(FOR_EVER_S, FOR_EVER_S, FOR_EVER_S)


@pytest.fixture
def service(sessions: SessionFactory) -> JobService:
    return JobService(sessions, NullDispatcher(), Settings(_env_file=None))


@pytest.fixture
def held(sessions: SessionFactory, service: JobService) -> Claim:
    job = service.submit("diagnostic", {})
    with sessions.begin() as session:
        claim = LeaseRepository(session).claim(job.id, "worker", 0.05)
    if claim is None:
        raise AssertionError("a new job is claimable")
    return claim


def keeper(
    sessions: SessionFactory,
    held: Claim,
    *,
    limit_s: float = FOR_EVER_S,
    rules: TurnRules = NO_TURNS,
    ended: threading.Event | None = None,
) -> LeaseKeeper:
    """Make a keeper of a very short lease."""
    return LeaseKeeper(
        held,
        PatientTransactions(sessions, sessions, 1.0),
        lease_s=0.05,
        limit_s=limit_s,
        rules=rules,
        on_hang=(ended or threading.Event()).set,
        hang_grace_s=0.0,
    )


class TestLeaseKeeper:
    def test_renews_while_the_pipeline_computes(self, sessions: SessionFactory, held: Claim) -> None:
        """The lease's end moves on without any call of the pipeline."""
        query = text("SELECT lease_expires_at FROM jobs")
        renewed = threading.Event()
        with keeper(sessions, held) as kept:
            with sessions() as session:
                first = session.scalar(query)
            for _ in range(1000):
                with sessions() as session:
                    if session.scalar(query) > first:
                        renewed.set()
                        break

        assert renewed.is_set()
        assert "held" == kept.state

    def test_stops_when_the_lease_is_lost(self, sessions: SessionFactory, held: Claim) -> None:
        """The thread ends by itself, and the pipeline finds out at its next check."""
        with sessions.begin() as session:
            session.execute(text("UPDATE jobs SET lease_token = 'another worker'"))
        with keeper(sessions, held) as kept:
            kept._thread.join(WITHIN_S)

            assert "lost" == kept.state

    def test_makes_room_only_as_long_as_somebody_waits(
        self, sessions: SessionFactory, service: JobService, held: Claim
    ) -> None:
        """A job that another worker took meanwhile displaces nobody."""
        other = service.submit("diagnostic", {})
        with keeper(sessions, held, rules=TurnRules(0, 0, 0)) as kept:
            asked = eventually(kept.makes_room, "the turn is over", WITHIN_S)
            with sessions.begin() as session:
                LeaseRepository(session).claim(other.id, "another worker", FOR_EVER_S)

            assert asked
            assert not kept.makes_room()

    def test_gives_a_hanging_job_up_and_ends_the_process(
        self, sessions: SessionFactory, service: JobService, held: Claim
    ) -> None:
        """A pipeline that does not react to its time limit is recorded as failed before the end."""
        ended = threading.Event()
        with keeper(sessions, held, limit_s=0.0, ended=ended) as kept:
            came = ended.wait(WITHIN_S)
        job = service.get(held.job.id)

        assert came
        assert kept.overtime
        assert ("failed", "time_limit_exceeded") == (job.status, (job.error or {})["code"])

    def test_does_not_give_up_what_is_no_longer_its_own(
        self, sessions: SessionFactory, service: JobService, held: Claim
    ) -> None:
        """A hanging worker that has lost its lease ends, and leaves the job alone."""
        with sessions.begin() as session:
            session.execute(text("UPDATE jobs SET lease_token = 'another worker'"))
        ended = threading.Event()
        with keeper(sessions, held, limit_s=0.0, ended=ended):
            came = ended.wait(WITHIN_S)

        assert came
        assert "running" == service.get(held.job.id).status
