"""``kill -9`` of one part of an installation after the other."""

from __future__ import annotations

import os
import random
import signal
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar, Final

from benchmarks.faults.stage import Seen, Stage
from benchmarks.faults.strikes.base import Blow, Fault, pause
from benchmarks.faults.traffic import Traffic
from services.jobs.dispatch import NullDispatcher
from services.jobs.service import JobService

UNSENT_JOBS: Final = 5


class KilledChild(Fault):
    """The process that computes; its parent lives and starts another."""

    name: ClassVar[str] = "worker-child"
    title: ClassVar[str] = "`kill -9` of the process that runs the job"

    def strike(self, stage: Stage, hit: Sequence[Seen], rng: random.Random) -> Blow:
        """Kill the child of every worker that has one of the jobs."""
        del stage, rng
        for job in hit:
            if job.worker_pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(job.worker_pid, signal.SIGKILL)
        return Blow({"killed": len(hit)})


class KilledWorker(Fault):
    """Parent and children at once, as a machine without power."""

    name: ClassVar[str] = "worker"
    title: ClassVar[str] = "`kill -9` of the whole worker"

    def strike(self, stage: Stage, hit: Sequence[Seen], rng: random.Random) -> Blow:
        """Kill every worker that has one of the jobs, and start them again."""
        found = {job.id: stage.member_of(job.worker_pid) for job in hit if job.worker_pid is not None}
        workers = {id(worker): worker for worker in found.values() if worker is not None}
        for worker in workers.values():
            worker.kill()
        waited_s = pause(rng, 0, 1)
        for worker in workers.values():
            worker.start()
        return Blow({"killed": len(workers), "away_s": waited_s})


class KilledSweeper(Fault):
    """While jobs wait that only a sweep can send."""

    name: ClassVar[str] = "sweeper"
    title: ClassVar[str] = "`kill -9` of the sweeper, with unsent jobs waiting for it"

    def strike(self, stage: Stage, hit: Sequence[Seen], rng: random.Random) -> Blow:
        """Leave unsent jobs, kill the sweeper within its next sweep or two, and start it again."""
        del hit
        unsent = JobService(stage.wiring.sessions, NullDispatcher(), stage.settings)
        ids = [unsent.submit("diagnostic", {}).id for _ in range(UNSENT_JOBS)]
        before_s = pause(rng, 0, 1.5)
        stage.sweeper.kill()
        away_s = pause(rng, 0, 3)
        stage.sweeper.start()
        return Blow({"before_s": before_s, "away_s": away_s}, job_ids=ids)


class _KilledUnderRequests(Fault):
    """A server that is killed amid requests of clients, each of which is then seen through."""

    away_at_most_s: ClassVar[float]

    def strike(self, stage: Stage, hit: Sequence[Seen], rng: random.Random) -> Blow:
        """Kill it amid requests and start it again on what it had written."""
        del hit
        traffic = Traffic(stage, rng)
        traffic.start()
        before_s = pause(rng, 0, 0.4)
        killed = self.kill(stage)
        away_s = pause(rng, 0, self.away_at_most_s)
        self.start(stage)
        breaches = traffic.breaches()
        facts = {"before_s": before_s, "away_s": away_s, "killed": killed}
        return Blow(facts, breaches, list(traffic.accepted.values()))

    @abstractmethod
    def kill(self, stage: Stage) -> int:
        """Kill it; returns the number of processes."""

    @abstractmethod
    def start(self, stage: Stage) -> None:
        """Start it again."""


class KilledApi(_KilledUnderRequests):
    """Clients submit, upload and poll meanwhile."""

    name: ClassVar[str] = "api"
    title: ClassVar[str] = "`kill -9` of the API under requests"
    away_at_most_s: ClassVar[float] = 1.0

    def kill(self, stage: Stage) -> int:
        """One process."""
        stage.api.kill()
        return 1

    def start(self, stage: Stage) -> None:
        """Wait until it answers."""
        stage.api.start()
        stage.wait_api()


class KilledBroker(_KilledUnderRequests):
    """Redis with the append-only file that docker-compose.yml gives it."""

    name: ClassVar[str] = "broker"
    title: ClassVar[str] = "`kill -9` of the broker under requests"
    own_broker: ClassVar[bool] = True
    away_at_most_s: ClassVar[float] = 3.0

    def kill(self, stage: Stage) -> int:
        """One process."""
        stage.kill_broker()
        return 1

    def start(self, stage: Stage) -> None:
        """It reads its file."""
        stage.start_broker()


class KilledDatabase(_KilledUnderRequests):
    """The postmaster and every backend, sometimes until after the leases ran out."""

    name: ClassVar[str] = "database"
    title: ClassVar[str] = "`kill -9` of Postgres and all its backends under requests"
    away_at_most_s: ClassVar[float] = 5.0

    def kill(self, stage: Stage) -> int:
        """All backends too."""
        return stage.kill_database()

    def start(self, stage: Stage) -> None:
        """It recovers from its log."""
        stage.start_database()
