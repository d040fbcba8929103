"""What classification, scoring and filtering jobs tell of crops that are unlike the training data."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import func, select

from api.wiring import Wiring
from services.artifacts.service import ArtifactService
from services.artifacts.shipped import register_shipped
from services.db.tables import CropRow, JobItemRow
from services.images.mask_exports import masks_tiff
from services.jobs.params import ClassificationRequest, FilteringRequest, ScoringRequest
from services.jobs.types import Job
from services.predictions.arrays import read_places
from services.predictions.repository import PredictionRepository
from tests.support.classifiers import add_classifier
from tests.support.filters import NUM_ROWS, add_filter, filter_on
from tests.support.http import upload
from tests.support.imported import import_crops
from tests.support.jobs import run_here
from tests.support.segmented import INSTANCES

pytestmark = pytest.mark.integration

# Filters are found by the weights of their classifier: each test that wants its own takes its own weights.
SEED, ALONE, DAMAGED, FAR = 61, 62, 63, 64


def classify(wiring: Wiring, classifier: str, crop_ids: tuple[str, ...], **fields: Any) -> Job:
    """Classify in this process."""
    request = ClassificationRequest(kind="classification", classifier=classifier, crop_ids=crop_ids, **fields)
    return run_here(wiring, wiring.submissions.submit(request).id)


def embedded(wiring: Wiring, classifier: str) -> NDArray[np.float32]:
    """Embeddings of crops like those that the tests classify."""
    crop_ids = import_crops(wiring, NUM_ROWS, seed=2000)
    classify(wiring, classifier, crop_ids)
    with wiring.readers() as session:
        places = PredictionRepository(session).places_of(crop_ids, classifier)
    return read_places(wiring.store, list(places.values()))


def new_classifier(wiring: Wiring, seed: int) -> str:
    """A classifier with weights of its own."""
    return add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}", seed=seed)


@pytest.fixture(scope="module")
def classifier(wiring: Wiring) -> str:
    return new_classifier(wiring, SEED)


@pytest.fixture(scope="module")
def filter_ref(wiring: Wiring, classifier: str) -> str:
    return add_filter(wiring, filter_on(wiring, classifier, embedded(wiring, classifier)))


def beyond_of(wiring: Wiring, job: Job) -> list[int]:
    """What the items say, in their order."""
    return [item.outputs["beyond_p99"] for item in wiring.jobs.items(job.id).items]


class TestClassification:
    def test_tells_the_share_beyond(self, wiring: Wiring, classifier: str, filter_ref: str) -> None:
        """The filter of the classifier is picked at submission, and its figure comes with the scores."""
        crop_ids = import_crops(wiring, 8, seed=1) + import_crops(wiring, 4, seed=2)
        job = classify(wiring, classifier, crop_ids)
        beyond = beyond_of(wiring, job)
        drift = job.result["drift"]

        assert {"classifier": classifier, "filter": filter_ref} == job.artifacts
        assert 2 == len(beyond)
        assert (filter_ref, 12, sum(beyond) / 12, 0.01) == (
            drift["filter"],
            drift["crops"],
            drift["beyond_p99"],
            drift["expected"],
        )

    def test_agrees_with_a_filtering_of_the_same_crops(
        self, wiring: Wiring, classifier: str, filter_ref: str
    ) -> None:
        """Both kinds of job measure the same."""
        crop_ids = import_crops(wiring, 9, seed=3)
        classified = classify(wiring, classifier, crop_ids)
        request = FilteringRequest(kind="filtering", filter=filter_ref, crop_ids=crop_ids)
        filtered = run_here(wiring, wiring.submissions.submit(request).id)

        assert classified.result["drift"] == filtered.result["drift"]

    def test_scores_do_not_depend_on_it(self, wiring: Wiring, classifier: str, filter_ref: str) -> None:
        """A classifier with a filter and its twin before there was one say the same."""
        assert filter_ref
        crop_ids = import_crops(wiring, 3, seed=4)
        classify(wiring, classifier, crop_ids)
        classify(wiring, new_classifier(wiring, SEED), crop_ids)
        with wiring.readers() as session:
            said = PredictionRepository(session).of_crops(crop_ids)

        assert all(1 == len({one.probability for one in predictions}) for predictions in said.values())

    def test_without_a_filter_says_so(self, wiring: Wiring) -> None:
        """Nobody fitted one: the entry is there and says what to do, and items carry no figure."""
        job = classify(wiring, new_classifier(wiring, ALONE), import_crops(wiring, 2, seed=5))
        (item,) = wiring.jobs.items(job.id).items

        assert job.result["drift"]["filter"] is None
        assert "filter_fitting" in job.result["drift"]["reason"]
        assert "filter" not in job.artifacts
        assert "beyond_p99" not in item.outputs

    def test_production_watches_before_the_newest(self, wiring: Wiring) -> None:
        """What the lab works with is picked, whatever was fitted since."""
        classifier = new_classifier(wiring, ALONE + 100)
        rows, name = embedded(wiring, classifier), f"f-{uuid.uuid4().hex[:8]}"
        refs = [add_filter(wiring, filter_on(wiring, classifier, rows), name, description=n) for n in "ab"]
        crop_ids = import_crops(wiring, 1, seed=6)
        newest = classify(wiring, classifier, crop_ids)
        with wiring.sessions.begin() as session:
            ArtifactService(session, wiring.store)._repository.set_alias("filter", name, "production", 1)
        in_use = classify(wiring, classifier, crop_ids)

        assert refs[::-1] == [newest.artifacts["filter"], in_use.artifacts["filter"]]

    def test_damaged_filter_costs_the_figure_only(self, wiring: Wiring) -> None:
        """Crops are scored as ever; the result says why it has no figure."""
        classifier = new_classifier(wiring, DAMAGED)
        ref = add_filter(wiring, filter_on(wiring, classifier, embedded(wiring, classifier)))
        with wiring.readers() as session:
            file = ArtifactService(session, wiring.store).resolve("filter", ref).files["filter.safetensors"]
        wiring.store.put(file.key, b"nothing")
        job = classify(wiring, classifier, import_crops(wiring, 2, seed=7))

        assert ("succeeded", 2, ref) == (job.status, job.result["crops"], job.artifacts["filter"])
        assert job.result["drift"]["filter"] is None
        assert "no longer hashes" in job.result["drift"]["reason"]

    def test_warns_of_crops_unlike_the_training_data(self, wiring: Wiring) -> None:
        """When all lie far away, the job succeeds and says what to look at."""
        classifier = new_classifier(wiring, FAR)
        far = embedded(wiring, classifier) + np.float32(50)
        add_filter(wiring, filter_on(wiring, classifier, far))
        job = classify(wiring, classifier, import_crops(wiring, 6, seed=8))

        assert ("succeeded", 1.0) == (job.status, job.result["drift"]["beyond_p99"])
        assert "6 of 6 crops (100.0%)" in job.result["drift"]["warning"]

    def test_handed_over_job_adds_up_all_items(
        self, wiring: Wiring, classifier: str, filter_ref: str
    ) -> None:
        """What an earlier worker counted counts."""
        crop_ids = tuple(one for seed in range(9, 12) for one in import_crops(wiring, 3, seed=seed))
        request = ClassificationRequest(kind="classification", classifier=classifier, crop_ids=crop_ids)
        job = wiring.submissions.submit(request)
        done = (
            select(func.count())
            .select_from(JobItemRow)
            .where(JobItemRow.job_id == job.id, JobItemRow.status == "succeeded")
        )

        def stopping() -> bool:
            with wiring.readers() as session:
                return bool(session.scalar(done))

        stopped = run_here(wiring, job.id, stopping)
        ended = run_here(wiring, job.id)
        whole = classify(wiring, classifier, crop_ids)

        assert ("queued", 1) == (stopped.status, stopped.progress.done)
        assert 9 == ended.result["drift"]["crops"]
        assert whole.result["drift"] == ended.result["drift"]
        assert filter_ref == ended.result["drift"]["filter"]

    def test_retry_counts_each_crop_once(self, wiring: Wiring, classifier: str, filter_ref: str) -> None:
        """A pack that failed is no part of the figure until it succeeds."""
        good, late = import_crops(wiring, 2, seed=12), import_crops(wiring, 3, seed=13)
        with wiring.readers() as session:
            key = session.get_one(CropRow, late[0]).pack_key
        content = wiring.store.get(key)
        wiring.store.delete(key)
        partial = classify(wiring, classifier, good + late)
        wiring.store.put(key, content)
        wiring.jobs.retry(partial.id)
        ended = run_here(wiring, partial.id)

        assert (filter_ref, 2, 5) == (
            ended.artifacts["filter"],
            partial.result["drift"]["crops"],
            ended.result["drift"]["crops"],
        )


class TestScoring:
    def test_tells_the_share_beyond(
        self, wiring: Wiring, client: httpx.Client, classifier: str, filter_ref: str
    ) -> None:
        """A LIMS that goes from images to scores is told as well."""
        register_shipped(wiring.sessions, wiring.store)
        sample = f"S-{uuid.uuid4()}"
        image_id = upload(client, sample)["items"][0]["image_id"]
        masks = np.zeros((32, 40), np.int32)
        for instance in INSTANCES:
            y0, x0, y1, x1 = instance.bbox
            masks[y0:y1, x0:x1] = instance.label
        wiring.annotations.put_masks(image_id, masks_tiff(masks), "m.koch")
        request = ScoringRequest(kind="scoring", sample=sample, masks="annotated", classifier=classifier)
        job = run_here(wiring, wiring.submissions.submit(request).id)

        assert ("succeeded", filter_ref) == (job.status, job.artifacts["filter"])
        assert (filter_ref, 2) == (job.result["drift"]["filter"], job.result["drift"]["crops"])
        assert sum(beyond_of(wiring, job)) / 2 == job.result["drift"]["beyond_p99"]
