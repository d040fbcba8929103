"""What a generation job starts from, and what it must never touch."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import func, update

from api.wiring import Wiring
from services.db.tables import CropRow, ImageRow, JobRow
from services.errors import ConflictError, InvalidInputError, NotFoundError
from services.generation.selection import read_batches
from services.jobs.types import Job
from tests.support.classifiers import add_classifier
from tests.support.generated import (
    add_bridge,
    add_cyclegan,
    add_dataset,
    add_painter,
    crops_of,
    generate,
    submit,
)
from tests.support.imported import import_crops
from tests.support.segmented import Segmented, segment

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def painter(wiring: Wiring) -> str:
    return add_painter(wiring)


@pytest.fixture
def segmented(wiring: Wiring, client: httpx.Client) -> Segmented:
    return segment(wiring, client, f"S-{uuid.uuid4()}")


def sources_of(wiring: Wiring, job: Job) -> set[str]:
    """Ids of the crops that a job works on."""
    return {
        crop_id
        for batch in read_batches(wiring.store, job.inputs["selection_key"])
        for crop_id in batch.crop_ids
    }


def say(wiring: Wiring, crop_id: str, crop_class: str) -> None:
    """Mirror a person's verdict in a crop."""
    with wiring.sessions.begin() as session:
        session.execute(update(CropRow).where(CropRow.id == crop_id).values(crop_class=crop_class))


class TestDatasets:
    @pytest.fixture
    def crops(self, wiring: Wiring) -> dict[str, str]:
        """One crop of each class and split, by ``class split``."""
        names = [f"{c} {s}" for c in ("normal", "aberration", "unlabelled") for s in ("train", "val", "test")]
        return dict(zip(names, import_crops(wiring, len(names), seed=1), strict=True))

    def chosen(self, wiring: Wiring, generator: str, crops: dict[str, str], **fields: Any) -> set[str]:
        """Names of the crops that become sources."""
        dataset = add_dataset(wiring, [(crop_id, *name.split()) for name, crop_id in crops.items()])  # type: ignore[misc]
        found = sources_of(wiring, submit(wiring, generator, dataset=dataset, **fields))
        return {name for name, crop_id in crops.items() if crop_id in found}

    def test_held_out_splits_stay_out(self, wiring: Wiring, crops: dict[str, str]) -> None:
        """Unless somebody asks, only unlabelled crops of the training slides become training material."""
        assert {"unlabelled train"} == self.chosen(wiring, add_bridge(wiring), crops)

    def test_normals_where_nothing_is_unlabelled(self, wiring: Wiring, crops: dict[str, str]) -> None:
        """A data set without unlabelled crops gives its normals."""
        labelled = {name: crop_id for name, crop_id in crops.items() if "unlabelled" not in name}

        assert {"normal train"} == self.chosen(wiring, add_bridge(wiring), labelled)

    def test_painter_takes_normals_too(self, wiring: Wiring, painter: str, crops: dict[str, str]) -> None:
        """The painter keeps a chromosome's own colour, so normals are what it wants."""
        assert {"normal train", "unlabelled train"} == self.chosen(wiring, painter, crops)

    def test_what_is_asked_for(self, wiring: Wiring, painter: str, crops: dict[str, str]) -> None:
        """Splits and classes that are named are taken."""
        fields = {"splits": ("val", "test"), "classes": ("normal", "aberration")}

        assert {f"{c} {s}" for c in fields["classes"] for s in fields["splits"]} == self.chosen(
            wiring, painter, crops, **fields
        )

    def test_maximum_is_drawn_by_the_seed(self, wiring: Wiring, painter: str) -> None:
        """The same seed chooses the same crops, another one others."""
        crop_ids = import_crops(wiring, 40, seed=2)
        items = [(crop_id, "normal", "train") for crop_id in crop_ids]
        drawn = [
            sources_of(
                wiring,
                submit(wiring, painter, dataset=add_dataset(wiring, order), max_sources=10, seed=seed),
            )
            for order, seed in ((items, 0), (items[::-1], 0), (items, 1))
        ]

        assert drawn[0] == drawn[1] != drawn[2]
        assert [10, 10, 10] == [len(one) for one in drawn]

    def test_says_what_it_takes_and_leaves(self, wiring: Wiring, painter: str, crops: dict[str, str]) -> None:
        """The job shows the selection in numbers."""
        dataset = add_dataset(wiring, [(i, *n.split()) for n, i in crops.items()])  # type: ignore[misc]
        inputs = submit(wiring, painter, dataset=dataset, samples_per_source=3, max_sources=1).inputs

        assert (dataset, ["train"], ["normal", "unlabelled"]) == (
            inputs["dataset"],
            inputs["splits"],
            inputs["classes"],
        )
        assert (1, 3) == (inputs["sources"], inputs["synthetic_crops"])
        assert {"aberration": 1, "beyond_max_sources": 1} == inputs["left_out"]


class TestLeftOut:
    def test_excluded_crops(self, wiring: Wiring, painter: str) -> None:
        """What a person excluded is no source, even where it is named."""
        first, second = import_crops(wiring, 2, seed=3)
        say(wiring, first, "excluded")
        job = submit(wiring, painter, crop_ids=(first, second))

        assert {second} == sources_of(wiring, job)
        assert {"excluded": 1} == job.inputs["left_out"]

    def test_withdrawn_images(self, wiring: Wiring, segmented: Segmented, painter: str) -> None:
        """Chromosomes of an image that was withdrawn are left alone."""
        with wiring.sessions.begin() as session:
            session.execute(
                update(ImageRow).where(ImageRow.id == segmented.image_id).values(withdrawn_at=func.now())
            )
        with pytest.raises(InvalidInputError, match="withdrawn"):
            submit(wiring, painter, job_id=segmented.job_id)

    def test_known_aberrations_of_a_job(self, wiring: Wiring, segmented: Segmented, painter: str) -> None:
        """A chromosome that a person called aberrant is not painted over, unless it is asked for."""
        say(wiring, segmented.crop_ids[0], "aberration")
        usual = submit(wiring, painter, job_id=segmented.job_id)
        asked = submit(wiring, painter, job_id=segmented.job_id, classes=("aberration",))

        assert {segmented.crop_ids[1]} == sources_of(wiring, usual)
        assert {segmented.crop_ids[0]} == sources_of(wiring, asked)


class TestRefusals:
    @pytest.mark.parametrize(
        "fields", [{"crop_ids": ("crop_none",)}, {"job_id": "job_none"}, {"dataset": "none/1"}]
    )
    def test_unknown_sources(self, wiring: Wiring, painter: str, fields: dict[str, Any]) -> None:
        """What does not exist is named."""
        with pytest.raises(NotFoundError, match="none"):
            submit(wiring, painter, **fields)

    def test_unknown_reference(self, wiring: Wiring, painter: str) -> None:
        """A data set to compare with must be there when the job is submitted."""
        with pytest.raises(NotFoundError, match="none/1"):
            submit(wiring, painter, crop_ids=import_crops(wiring, 1), quality=True, reference="none/1")

    def test_running_job(self, wiring: Wiring, segmented: Segmented, painter: str) -> None:
        """Half of a job's crops are never taken for all of them."""
        with wiring.sessions.begin() as session:
            session.execute(
                update(JobRow).where(JobRow.id == segmented.job_id).values(status="queued", finished_at=None)
            )
        with pytest.raises(ConflictError, match="has ended"):
            submit(wiring, painter, job_id=segmented.job_id)

    def test_generated_crops(self, wiring: Wiring, painter: str) -> None:
        """Nothing synthetic is made of something synthetic, whether it is named or its job is."""
        made = generate(wiring, painter, crop_ids=import_crops(wiring, 1, seed=4))
        crop_ids = tuple(crop.id for crop in crops_of(wiring, made.id))
        for fields in ({"crop_ids": crop_ids}, {"job_id": made.id}):
            with pytest.raises(InvalidInputError, match="name their sources instead"):
                submit(wiring, painter, **fields)

    def test_too_many(self, wiring: Wiring, painter: str) -> None:
        """A job has a bound, and the message says how to keep to it."""
        crop_ids = import_crops(wiring, 201, seed=5)
        with pytest.raises(InvalidInputError, match=r"201000 synthetic crops.*Set max_sources"):
            submit(wiring, painter, crop_ids=crop_ids, samples_per_source=1000)

    def test_several_samples_without_noise(self, wiring: Wiring) -> None:
        """A CycleGAN would make copies."""
        with pytest.raises(InvalidInputError, match="same picture"):
            submit(wiring, add_cyclegan(wiring), crop_ids=import_crops(wiring, 1), samples_per_source=2)

    def test_untrained_generator(self, wiring: Wiring) -> None:
        """Random weights make no translocations."""
        with pytest.raises(InvalidInputError, match="starting point"):
            submit(wiring, add_bridge(wiring, trained=False), crop_ids=import_crops(wiring, 1))

    def test_parameter_of_another_method(self, wiring: Wiring, painter: str) -> None:
        """What would change nothing is refused."""
        with pytest.raises(InvalidInputError, match="only bbdm generators"):
            submit(wiring, painter, crop_ids=import_crops(wiring, 1), steps=20)

    def test_untrained_classifier(self, wiring: Wiring, painter: str) -> None:
        """Embeddings of random weights are no yardstick."""
        classifier = add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}", trained=False)
        with pytest.raises(InvalidInputError, match="starting point"):
            submit(wiring, painter, crop_ids=import_crops(wiring, 1), quality=True, classifier=classifier)


class TestClassifierOfTheReport:
    def test_usual_one_if_there_is_one(self, wiring: Wiring, painter: str) -> None:
        """Without a name the classifier in production is taken, and only for a report."""
        crop_ids = import_crops(wiring, 1, seed=6)
        with_report = submit(wiring, painter, crop_ids=crop_ids, quality=True)
        without = submit(wiring, painter, crop_ids=crop_ids)

        assert "translocation/1" == with_report.artifacts["classifier"]
        assert {"generator": painter} == without.artifacts


class TestPatients:
    def test_nothing_about_a_sample_counts_them(
        self, wiring: Wiring, client: httpx.Client, segmented: Segmented, painter: str
    ) -> None:
        """Lists, scores and suggestions of a sample are what they were before crops were made from it."""
        paths = [
            f"/v1/crops?sample={segmented.sample}",
            f"/v1/crops?image={segmented.image_id}",
            f"/v1/jobs?sample={segmented.sample}",
            f"/v1/crops/suggestions?sample={segmented.sample}",
            f"/v1/images/{segmented.image_id}/masks.geojson",
        ]
        before = [client.get(path).text for path in paths]
        made = generate(wiring, painter, job_id=segmented.job_id, samples_per_source=3)

        assert 6 == made.result["crops"]
        assert before == [client.get(path).text for path in paths]

    def test_suggestions_of_a_generation_are_empty(
        self, wiring: Wiring, client: httpx.Client, painter: str
    ) -> None:
        """Nobody can give a verdict on a synthetic crop, so none is suggested."""
        made = generate(wiring, painter, crop_ids=import_crops(wiring, 9, seed=7))

        assert [] == client.get("/v1/crops/suggestions", params={"job": made.id}).json()["items"]
