"""A training that is killed, or makes room, again and again ends with the weights of an undisturbed run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.wiring import Wiring
from services.artifacts.service import ArtifactService
from services.db.engine import SessionFactory
from services.jobs.types import Job
from tests.support.datasets import imported, new_name
from tests.support.fleet import Fleet, eventually, hasty_fleet, wiring_of
from tests.support.http import serving
from tests.support.painted import painted_archive

pytestmark = pytest.mark.integration

KILLS = 3
EPOCHS = 5
FOR_EVER_S = 3600.0


@pytest.fixture
def fleet(database_url: str, sessions: SessionFactory, tmp_path: Path) -> Iterator[Fleet]:
    """Workers that keep their state after every epoch, and lose a dead one's lease soon."""
    with hasty_fleet(database_url, sessions, tmp_path, checkpoint_every_s=0.0) as fleet:
        yield fleet


@pytest.fixture
def wiring(fleet: Fleet) -> Iterator[Wiring]:
    """The API's side of the same engines."""
    with wiring_of(fleet) as wiring:
        yield wiring


def submit(client: httpx.Client, fleet: Fleet, dataset: str) -> Job:
    """Submit a training that takes a few epochs."""
    body = {
        "kind": "classifier_training",
        "dataset": dataset,
        "name": new_name(),
        "epochs": EPOCHS,
        "batch_size": 8,
        "canvas_px": 64,
        "num_seeds": 1,
        "patience_epochs": EPOCHS,
    }
    answer = client.post("/v1/jobs", json=body)

    assert answer.status_code == 202, answer.text
    return fleet.jobs.get(answer.json()["id"])


def weights(wiring: Wiring, job: Job) -> bytes:
    """Bytes of the weights that a job made."""
    with wiring.sessions() as session:
        artifacts = ArtifactService(session, wiring.store)
        version = artifacts.resolve("classifier", job.result["artifact"])
        return artifacts.open_file(version, "weights.safetensors")


class TestKilledTraining:
    def test_ends_with_the_same_weights(self, fleet: Fleet, wiring: Wiring) -> None:
        """Killed three times, each time after another epoch, it goes on from its last checkpoint."""
        fleet.sweeper()
        worker = fleet.worker()
        with serving(wiring) as url, httpx.Client(base_url=url, timeout=60) as client:
            version = imported(client, painted_archive(per_slide=12))
            dataset = f"{version['name']}/{version['version']}"
            undisturbed = fleet.wait(submit(client, fleet, dataset), "succeeded", "failed")
            job = submit(client, fleet, dataset)
            for kill in range(1, KILLS + 1):
                fleet.wait_done(job, kill)
                worker.child().kill()
                eventually(lambda kill=kill: fleet.jobs.get(job.id).attempt > kill, "it is tried again")
            ended = fleet.wait(job, "succeeded", "failed")

        assert ended.status == "succeeded", ended.error
        assert ended.attempt == KILLS + 1
        assert weights(wiring, ended) == weights(wiring, undisturbed)


class TestDisplacedTraining:
    def test_ends_with_the_same_weights(
        self, database_url: str, sessions: SessionFactory, tmp_path: Path
    ) -> None:
        """It makes room for two samples on the only worker, in the midst of epochs, and loses no batch."""
        turns = {"yield_after_s": 0.2, "min_turn_s": 0.2, "checkpoint_every_s": FOR_EVER_S}
        with (
            hasty_fleet(database_url, sessions, tmp_path, **turns) as fleet,
            wiring_of(fleet) as wiring,
            serving(wiring) as url,
            httpx.Client(base_url=url, timeout=60) as client,
        ):
            fleet.worker()
            version = imported(client, painted_archive(per_slide=12))
            dataset = f"{version['name']}/{version['version']}"
            undisturbed = fleet.wait(submit(client, fleet, dataset), "succeeded", "failed")
            job = submit(client, fleet, dataset)
            for turn in (1, 2):
                eventually(lambda turn=turn: fleet.jobs.get(job.id).attempt == turn, "its turn has come")
                fleet.wait(fleet.submit(), "succeeded")
            ended = fleet.wait(job, "succeeded", "failed")

            # Here: the fleet takes its store with it.
            assert ended.status == "succeeded", ended.error
            assert ended.attempt >= 2
            assert weights(wiring, ended) == weights(wiring, undisturbed)
