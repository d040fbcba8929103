"""A worker that stands still for longer than its lease, as a paused virtual machine does."""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from typing import ClassVar

from benchmarks.faults.processes import NotInTimeError, eventually
from benchmarks.faults.stage import Seen, Stage
from benchmarks.faults.strikes.base import Blow, Fault, pause

GIVES_UP_WITHIN_S = 60.0


class FrozenWorker(Fault):
    """Others finish its jobs; when it wakes it finds its token gone."""

    name: ClassVar[str] = "frozen"
    title: ClassVar[str] = "a worker frozen (SIGSTOP) beyond its lease, then woken"
    jobs_at_once: ClassVar[int] = 2

    def strike(self, stage: Stage, hit: Sequence[Seen], rng: random.Random) -> Blow:
        """Stop the workers of the jobs; wake them when others have, or have finished, the jobs."""
        found = [stage.member_of(job.worker_pid) for job in hit if job.worker_pid is not None]
        workers = {id(worker): worker for worker in found if worker is not None}
        ids = [job.id for job in hit]
        for worker in workers.values():
            worker.signal(signal.SIGSTOP)
        try:
            eventually(
                lambda: all(
                    now.ended or now.attempt > before.attempt
                    for before, now in ((job, stage.seen(ids)[job.id]) for job in hit)
                ),
                "others took the jobs",
                GIVES_UP_WITHIN_S,
                0.1,
            )
            # In half of the rounds it wakes while the other one works, in half of them later.
            extra_s = pause(rng, 0, 2) if rng.random() < 0.5 else pause(rng, 2, 6)
        except NotInTimeError as error:
            return Blow({"frozen": len(workers)}, {"stuck": str(error)})
        finally:
            for worker in workers.values():
                worker.signal(signal.SIGCONT)
        return Blow({"frozen": len(workers), "after_takeover_s": extra_s})
