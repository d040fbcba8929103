"""A generator's training that is killed again and again ends as an undisturbed one: weights and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

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

KILLED_AT = (1, 4, 9)
STEPS = 30
TRAININGS: dict[str, dict[str, Any]] = {
    "bbdm": {"size": "small", "sample_steps": 3},
}


@pytest.fixture
def fleet(database_url: str, sessions: SessionFactory, tmp_path: Path) -> Iterator[Fleet]:
    """Workers that keep their state whenever they tell of it, and lose a dead one's lease soon."""
    with hasty_fleet(database_url, sessions, tmp_path, checkpoint_every_s=0.0) as fleet:
        yield fleet


@pytest.fixture
def wiring(fleet: Fleet) -> Iterator[Wiring]:
    """The API's side of the same engines."""
    with wiring_of(fleet) as wiring:
        yield wiring


def submit(client: httpx.Client, fleet: Fleet, dataset: str, method: str) -> Job:
    """Submit a training that takes some seconds."""
    body = {
        "kind": "generator_training",
        "method": method,
        "dataset": dataset,
        "name": new_name(),
        "steps": STEPS,
        "batch_size": 2,
        "canvas_px": 32,
        "scale": 0.7,
        **TRAININGS[method],
    }
    answer = client.post("/v1/jobs", json=body)

    assert answer.status_code == 202, answer.text
    return fleet.jobs.get(answer.json()["id"])


def made_by(wiring: Wiring, job: Job) -> dict[str, bytes]:
    """What a job made that must not depend on how often it was interrupted."""
    with wiring.sessions() as session:
        artifacts = ArtifactService(session, wiring.store)
        version = artifacts.resolve("generator", job.result["artifact"])
        return {
            name: artifacts.open_file(version, name)
            for name in ("weights.safetensors", "samples.png", "training.png", "history.json")
        }


@pytest.mark.parametrize("method", sorted(TRAININGS))
class TestKilledTraining:
    def test_ends_as_an_undisturbed_one(self, fleet: Fleet, wiring: Wiring, method: str) -> None:
        """Killed three times, it goes on from its last checkpoint: same weights, samples and history."""
        fleet.sweeper()
        worker = fleet.worker()
        with serving(wiring) as url, httpx.Client(base_url=url, timeout=60) as client:
            version = imported(client, painted_archive())
            dataset = f"{version['name']}/{version['version']}"
            undisturbed = fleet.wait(submit(client, fleet, dataset, method), "succeeded", "failed")
            job = submit(client, fleet, dataset, method)
            for kill, steps in enumerate(KILLED_AT, start=1):
                fleet.wait_done(job, steps)
                worker.child().kill()
                eventually(lambda kill=kill: fleet.jobs.get(job.id).attempt > kill, "it is tried again")
            ended = fleet.wait(job, "succeeded", "failed")

        assert ended.status == "succeeded", ended.error
        assert ended.attempt == len(KILLED_AT) + 1
        assert made_by(wiring, ended) == made_by(wiring, undisturbed)
