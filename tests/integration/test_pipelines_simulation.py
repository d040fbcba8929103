"""Simulating a data set version as a job, and that it stays apart from real crops."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy.exc
from sqlalchemy import text

from api.wiring import Wiring
from services.artifacts.promotion import PromotionRefusedError, check_promotion
from services.artifacts.service import ArtifactService
from services.datasets.errors import InvalidDatasetError
from services.datasets.repository import DatasetRepository
from services.datasets.types import (
    DatasetItem,
    DatasetVersion,
    Description,
    FreezeRequest,
    ImportRequest,
    NamedSplits,
    Selection,
)
from services.errors import InvalidInputError
from services.jobs.params import SimulationRequest
from services.jobs.types import Job
from services.pipelines.resources import ModelCache, Resources
from services.pipelines.simulated import learnt_from_simulation
from tests.support.classifiers import add_classifier
from tests.support.datasets import new_name
from tests.support.imported import freeze as freeze_imported
from tests.support.imported import import_crops
from tests.support.jobs import run_here

pytestmark = pytest.mark.integration

SMALL: dict[str, Any] = {
    "preset": "easy",
    "train_slides": 2,
    "val_slides": 1,
    "test_slides": 1,
    "train_aberrations": 3,
    "val_aberrations": 1,
    "test_aberrations": 1,
    "normal_ratio": 2.0,
    "unlabelled": 3,
}


def simulate(wiring: Wiring, name: str, **parameters: Any) -> Job:
    """Submit a small simulation and run it."""
    request = SimulationRequest(kind="simulation", name=name, **(SMALL | parameters))
    return run_here(wiring, wiring.submissions.submit(request).id)


def version_of(wiring: Wiring, job: Job) -> tuple[DatasetVersion, list[DatasetItem]]:
    """Read what a job made."""
    assert job.result is not None, job.error
    with wiring.sessions() as session:
        datasets = DatasetRepository(session)
        version = datasets.resolve(job.result["dataset"])
        return version, datasets.items(version)


def freeze(wiring: Wiring, crop_ids: Sequence[str]) -> DatasetVersion:
    """Freeze crops of the simulated slides, and others if there are any."""
    request = FreezeRequest(
        about=Description(new_name()),
        selection=Selection(crop_ids=crop_ids),
        splits=NamedSplits(train=("T01", "T02"), val=("V01",), test=("E01",)),
        include_unlabelled=True,
    )
    with wiring.sessions.begin() as session:
        return wiring.datasets.freeze(request, actor="test", session=session)[0]


@pytest.fixture(scope="module")
def job(wiring: Wiring) -> Job:
    """A simulation that has run."""
    return simulate(wiring, new_name())


class TestSimulation:
    def test_makes_a_data_set_that_says_what_it_is(self, wiring: Wiring, job: Job) -> None:
        """Simulated, how, and with slides that lie in one split each."""
        version, items = version_of(wiring, job)

        assert (version.simulated, version.source) == (True, "simulation")
        assert version.manifest["how"]["simulation"]["difficulty"]["noise"] == 2.0
        assert {"normal": 6, "aberration": 3, "unlabelled": 3} == version.counts["train"]
        assert {"normal": 2, "aberration": 1, "unlabelled": 0} == version.counts["test"]
        assert {("train", "T01"), ("train", "T02"), ("val", "V01"), ("test", "E01")} == {
            (item.split, item.group) for item in items
        }
        assert {"simulated"} == {item.origin for item in items}

    def test_the_same_seed_makes_the_same_content(self, wiring: Wiring, job: Job) -> None:
        """Under another name; another seed makes other crops."""
        version, _ = version_of(wiring, job)
        again, _ = version_of(wiring, simulate(wiring, new_name()))
        other, _ = version_of(wiring, simulate(wiring, new_name(), seed=1))

        assert again.sha256 == version.sha256 != other.sha256

    def test_running_again_adds_no_version(self, wiring: Wiring, job: Job) -> None:
        """As after a kill between freezing and the job's end."""
        version, _ = version_of(wiring, job)
        again, _ = version_of(wiring, simulate(wiring, version.name))

        assert again.ref == version.ref

    def test_refuses_an_unknown_knob_at_once(self, wiring: Wiring) -> None:
        """No job is made of it."""
        with pytest.raises(InvalidInputError, match="luck"):
            simulate(wiring, new_name(), difficulty={"luck": 1})


class TestApart:
    def test_are_not_frozen_beside_real_crops(self, wiring: Wiring, job: Job) -> None:
        """The message names the simulated ones."""
        _, items = version_of(wiring, job)
        real = import_crops(wiring, 2, seed=5, crop_class="normal")
        freeze_imported(wiring, new_name(), real)
        crop_ids = (*real, *(item.crop_id for item in items[:2]))

        with pytest.raises(InvalidDatasetError, match="one or the other") as refused:
            freeze(wiring, crop_ids)

        assert {where for where, _ in refused.value.problems} == {item.crop_id for item in items[:2]}

    def test_frozen_alone_they_stay_simulated(self, wiring: Wiring, job: Job) -> None:
        """A part of a simulated data set is one."""
        _, items = version_of(wiring, job)

        assert freeze(wiring, [item.crop_id for item in items]).simulated

    def test_are_not_imported_as_real(self, wiring: Wiring, job: Job) -> None:
        """Not even as an export gives them."""
        version, _ = version_of(wiring, job)
        content = io.BytesIO(b"".join(wiring.datasets.export(version)))
        request = ImportRequest(Description(new_name()))

        with wiring.sessions.begin() as session, pytest.raises(InvalidDatasetError, match="simulated here"):
            wiring.datasets.import_archive(content, request, actor="test", session=session)

    def test_the_database_keeps_them_from_samples(self, wiring: Wiring, job: Job) -> None:
        """Whatever the code does."""
        _, items = version_of(wiring, job)
        statement = text("UPDATE crops SET sample = 'S1' WHERE id = :crop")

        with (
            pytest.raises(sqlalchemy.exc.IntegrityError, match="simulated_has_no_patient"),
            wiring.sessions.begin() as session,
        ):
            session.execute(statement, {"crop": items[0].crop_id})

    def test_what_learns_from_them_says_so_and_so_do_its_heirs(self, wiring: Wiring, job: Job) -> None:
        """And neither can become production."""
        version, _ = version_of(wiring, job)
        resources = Resources(wiring.sessions, wiring.store, wiring.settings, ModelCache(size=1))

        assert {"simulated": True} == learnt_from_simulation(job, version, resources)

        ref = add_classifier(wiring, new_name())
        with wiring.sessions.begin() as session:
            artifacts = ArtifactService(session, wiring.store)
            known = artifacts.resolve("classifier", ref)
            files = {"weights.safetensors": artifacts.open_file(known, "weights.safetensors")}
            marked = artifacts.add("classifier", known.name, {**known.manifest, "simulated": True}, files)
        real = DatasetVersion("real", 1, "0" * 64, "import", {}, {}, job.created_at)

        for parent, entry in ((ref, {}), (marked.ref, {"simulated": True})):
            heir = replace(job, kind="filter_fitting", artifacts={"classifier": parent})
            assert entry == learnt_from_simulation(heir, real, resources)
        with pytest.raises(PromotionRefusedError, match="simulated"):
            check_promotion(marked, "production")
