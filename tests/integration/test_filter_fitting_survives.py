"""A fit whose workers are killed, embedding and fitting, ends with the filter of an undisturbed one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.wiring import Wiring
from services.db.engine import SessionFactory
from services.jobs.types import Job
from services.predictions.assembly import part_key
from tests.support.classifiers import add_classifier
from tests.support.datasets import new_name
from tests.support.fitting import bars, files_of, submit_fit
from tests.support.fleet import Fleet, eventually, hasty_fleet, wiring_of
from tests.support.http import serving

pytestmark = pytest.mark.integration

PER_SLIDE = 200  # 600 crops to embed, in two parts
# One part is embedded; everything is embedded, and the map is being laid out.
KILLED_AT = (1, 3 * PER_SLIDE)


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


class TestKilledFit:
    def test_ends_as_an_undisturbed_one(self, fleet: Fleet, wiring: Wiring) -> None:
        """The same bytes, and nothing is left of the parts."""
        fleet.sweeper()
        worker = fleet.worker()
        with serving(wiring) as url, httpx.Client(base_url=url, timeout=60) as client:
            dataset, classifier = bars(client, PER_SLIDE), add_classifier(wiring, new_name())

            def submitted() -> Job:
                return fleet.jobs.get(submit_fit(client, dataset, classifier))

            undisturbed = fleet.wait(submitted(), "succeeded", "failed")
            job = submitted()
            for kill, steps in enumerate(KILLED_AT, start=1):
                fleet.wait_done(job, steps)
                worker.child().kill()
                eventually(lambda kill=kill: fleet.jobs.get(job.id).attempt > kill, "it is tried again")
            ended = fleet.wait(job, "succeeded", "failed")
            filters = [files_of(client, one)["filter.safetensors"] for one in (undisturbed, ended)]

        assert ended.attempt == len(KILLED_AT) + 1
        assert filters[0] == filters[1]
        assert not any(wiring.store.exists(part_key(job.id, part)) for part in range(3))
