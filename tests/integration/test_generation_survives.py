"""A generation whose workers are killed again and again ends with the bytes of an undisturbed run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.wiring import Wiring
from services.db.engine import SessionFactory
from services.jobs.types import Job
from tests.support.fleet import Fleet, eventually, hasty_fleet, wiring_of
from tests.support.generated import add_bridge, crops_of, submit
from tests.support.imported import import_crops

pytestmark = pytest.mark.integration

KILLS = 2
PACKS = 6
STEPS = 12


@pytest.fixture
def fleet(database_url: str, sessions: SessionFactory, tmp_path: Path) -> Iterator[Fleet]:
    """Workers that lose a dead one's lease soon."""
    with hasty_fleet(database_url, sessions, tmp_path) as fleet:
        yield fleet


@pytest.fixture
def wiring(fleet: Fleet) -> Iterator[Wiring]:
    """The API's side of the same engines."""
    with wiring_of(fleet) as wiring:
        yield wiring


def packs(fleet: Fleet, job: Job) -> list[str]:
    """Digests of the packs of a job, in the order of its items."""
    return [item.outputs["pack_sha256"] for item in fleet.items(job)]


class TestKilledGeneration:
    def test_ends_with_the_same_bytes(self, fleet: Fleet, wiring: Wiring) -> None:
        """Killed twice in the midst of a batch, it repeats that batch and no other."""
        fleet.sweeper()
        worker = fleet.worker()
        generator = add_bridge(wiring)
        sources = tuple(sorted(c for seed in range(PACKS) for c in import_crops(wiring, 8, seed=seed)))
        job = submit(wiring, generator, crop_ids=sources, steps=STEPS, seed=4)
        for kill in range(1, KILLS + 1):
            fleet.wait_done(job, kill)
            worker.child().kill()
            eventually(lambda kill=kill: fleet.jobs.get(job.id).attempt > kill, "it is tried again")
        ended = fleet.wait(job, "succeeded", "failed")
        undisturbed = fleet.wait(
            submit(wiring, generator, crop_ids=sources, steps=STEPS, seed=4), "succeeded", "failed"
        )

        assert ("succeeded", KILLS + 1) == (ended.status, ended.attempt)
        assert 1 == undisturbed.attempt
        assert packs(fleet, undisturbed) == packs(fleet, ended)
        assert len(sources) == len(crops_of(wiring, ended.id)) == ended.result["crops"]
