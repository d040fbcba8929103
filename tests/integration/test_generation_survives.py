"""A generation whose workers are killed again and again ends with the bytes of an undisturbed run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.wiring import Wiring, wire
from services.config import Settings
from services.db.engine import SessionFactory
from services.embedded.redis import EmbeddedRedis
from services.ids import new_id
from services.jobs.types import Job
from tests.support.fleet import Fleet, eventually, fleet_of
from tests.support.generated import add_bridge, crops_of, submit
from tests.support.imported import import_crops

pytestmark = pytest.mark.integration

KILLS = 2
PACKS = 6
STEPS = 12


@pytest.fixture
def fleet(
    database_url: str, sessions: SessionFactory, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers that lose a dead one's lease soon."""
    queue = new_id("queue")
    with EmbeddedRedis(tmp_path_factory.mktemp("broker")) as broker:
        settings = Settings(
            _env_file=None,
            database_url=database_url,
            broker_url=broker.url,
            object_store_url=(tmp_path / "objects").as_uri(),
            gpu_queue=queue,
            cpu_queue=queue,
            lease_s=3,
            sweep_interval_s=0.2,
            redispatch_after_s=1,
            retry_backoff_s=0.1,
            torch_threads=1,
        )
        with fleet_of(settings, sessions, tmp_path) as fleet:
            yield fleet


@pytest.fixture
def wiring(fleet: Fleet) -> Iterator[Wiring]:
    """The API's side of the same engines."""
    wired = wire(fleet.settings)
    yield wired
    wired.close()


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
