"""A study whose workers are killed ends with an undisturbed one's numbers, and computes nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from api.wiring import Wiring
from services.db.engine import SessionFactory
from services.jobs.types import Job
from tests.support import servers
from tests.support.fleet import Fleet, eventually, hasty_fleet, wiring_of
from tests.support.studied import lasting, results_of, simulation, submit_study

pytestmark = pytest.mark.integration

# A bridge, its crops, the first network; embeddings of real and of made crops, a filter, the second one.
STEPS = 7
# Steps that are done when the first network's training is cut, and the second one's.
KILLED_AT = (2, 6)
PATIENCE_S = 300.0  # a worker that is started anew compiles before it fits the filter


@pytest.fixture
def fleet(database_url: str, sessions: SessionFactory, tmp_path: Path) -> Iterator[Fleet]:
    """Workers that lose a dead one's lease soon, and keep every epoch."""
    with hasty_fleet(database_url, sessions, tmp_path, checkpoint_every_s=0) as fleet:
        yield fleet


@pytest.fixture
def wiring(fleet: Fleet) -> Iterator[Wiring]:
    """The API's side of the same engines."""
    with wiring_of(fleet) as wiring:
        yield wiring


class Kept:
    """What lies in the store of a study's steps."""

    def __init__(self, fleet: Fleet) -> None:
        self.url = fleet.settings.object_store_url

    def results(self) -> dict[str, datetime]:
        """When each result was written: those of finished steps, sealed parts and all."""
        kept = servers.stored(self.url, "studies")
        return {key: time for key, time in kept.items() if key.endswith((".safetensors", ".sealed"))}

    def is_amid(self, done: int) -> bool:
        """Whether so many steps are done, and the next one has kept a checkpoint."""
        kept = servers.stored(self.url, "studies")
        steps = [key for key in kept if key.endswith(".safetensors")]
        return len(steps) >= done and any(key.endswith(".partial") for key in kept)


class TestKilledStudy:
    def test_ends_as_an_undisturbed_one(self, fleet: Fleet, wiring: Wiring) -> None:
        """Killed in two trainings: the same results, and what was done stays as it was written."""
        fleet.sweeper()
        worker = fleet.worker()
        made = fleet.wait(wiring.submissions.submit(simulation()), "succeeded", "failed")

        def submitted() -> Job:
            return submit_study(
                wiring,
                made.result["dataset"],
                arms=("augmented", "augmented-bbdm-filtered"),
                num_seeds=1,
                leave_out={},
                aberration_counts=(),
                steps=76,  # two epochs: there is a checkpoint between them
                batch_size=4,
            )

        kept, job = Kept(fleet), submitted()
        before = []
        for kill, done in enumerate(KILLED_AT, start=1):
            eventually(lambda done=done: kept.is_amid(done), f"{done} steps are done", PATIENCE_S)
            worker.child().kill()
            before.append(kept.results())
            eventually(lambda kill=kill: fleet.jobs.get(job.id).attempt > kill, "it is tried again")
        ended = results_of(wiring, fleet.wait(job, "succeeded", "failed"))
        after = kept.results()
        servers.remove(kept.url, "studies")
        undisturbed = results_of(wiring, fleet.wait(submitted(), "succeeded", "failed"))

        assert len(KILLED_AT) + 1 == fleet.jobs.get(job.id).attempt
        assert lasting(undisturbed) == lasting(ended)
        assert (STEPS, 0) == (undisturbed["plan"]["computed"], undisturbed["plan"]["from_cache"])
        assert (1, STEPS - 1) == (ended["plan"]["computed"], ended["plan"]["from_cache"])
        assert all(results.items() <= after.items() for results in before)
        assert not any(key.endswith(".partial") for key in servers.stored(kept.url, "studies"))
