"""Classification and scoring jobs, from submission to rows and arrays."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO, Literal

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select, update

from api.wiring import Wiring
from services.artifacts.shipped import register_shipped
from services.crops.repository import CropRepository
from services.crops.types import Crop, CropFilter
from services.db.tables import CropRow, EmbeddingSetRow, JobRow, PredictionRow
from services.errors import ConflictError, InvalidInputError, NotFoundError
from services.images.mask_exports import masks_tiff
from services.jobs.params import ClassificationRequest, ClassifierTrainingRequest, ScoringRequest
from services.jobs.types import Job
from services.pagination import PageRequest
from services.predictions.assembly import part_key
from services.storage.base import ObjectNotFoundError, ObjectStore, SignedRequest, StoreUnavailableError
from tests.support.classifiers import add_classifier
from tests.support.http import upload
from tests.support.imported import freeze, import_crops
from tests.support.jobs import run_here
from tests.support.segmented import INSTANCES, Segmented, segment

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def classifier(wiring: Wiring) -> str:
    return add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def segmented(wiring: Wiring, client: httpx.Client) -> Segmented:
    return segment(wiring, client, f"S-{uuid.uuid4()}")


def submit(wiring: Wiring, classifier: str, **fields: Any) -> Job:
    """Submit a classification."""
    request = ClassificationRequest(kind="classification", classifier=classifier, **fields)
    return wiring.submissions.submit(request)


def classify(wiring: Wiring, classifier: str, **fields: Any) -> Job:
    """Classify in this process."""
    job = run_here(wiring, submit(wiring, classifier, **fields).id)

    assert job.status == "succeeded", job.error
    return job


def crop_of(wiring: Wiring, crop_id: str) -> Crop:
    """Read one crop."""
    with wiring.readers() as session:
        crop = CropRepository(session).get(crop_id)

    assert crop is not None
    return crop


def array_of(wiring: Wiring, job_id: str) -> tuple[NDArray[np.float32], dict[str, int]]:
    """Read a job's whole array as any program would, and which row belongs to which crop."""
    with wiring.readers() as session:
        kept = session.get_one(EmbeddingSetRow, job_id)
        said = session.scalars(select(PredictionRow).where(PredictionRow.job_id == job_id)).all()
    array = np.load(io.BytesIO(wiring.store.get(kept.object_key)), allow_pickle=False)

    assert (np.float32, (kept.num_rows, 512)) == (array.dtype, array.shape)
    return array, {one.crop_id: one.embedding_row for one in said if one.embedding_row is not None}


class TestClassification:
    def test_scores_all_crops_of_a_job(self, wiring: Wiring, segmented: Segmented, classifier: str) -> None:
        """Every crop gets a prediction and an embedding, and the job tells the sums."""
        job = classify(wiring, classifier, job_id=segmented.job_id)
        crops = [crop_of(wiring, crop_id) for crop_id in segmented.crop_ids]
        array, rows = array_of(wiring, job.id)

        assert [(classifier, job.id)] * 2 == [
            (c.predictions[0].classifier, c.predictions[0].job_id) for c in crops
        ]
        assert all(c.probability == c.predictions[0].probability for c in crops)
        assert {crop_id: index for index, crop_id in enumerate(sorted(segmented.crop_ids))} == rows
        assert np.abs(array).sum(axis=1).all()
        assert 2 == job.result["crops"] == sum(job.result["classes"].values()) == job.result["embeddings"]
        assert (classifier, 0.5) == (job.result["classifier"], job.result["threshold"])
        assert segmented.sample == job.sample

    def test_embedding_does_not_depend_on_company(
        self, wiring: Wiring, segmented: Segmented, classifier: str
    ) -> None:
        """Alone or with others, a crop has the same embedding and probability, bit for bit."""
        many = classify(wiring, classifier, job_id=segmented.job_id)
        array, rows = array_of(wiring, many.id)
        for crop_id in segmented.crop_ids:
            alone = classify(wiring, classifier, crop_ids=(crop_id,))
            embedding = array_of(wiring, alone.id)[0][0]
            first, last = crop_of(wiring, crop_id).predictions

            assert array[rows[crop_id]].tobytes() == embedding.tobytes()
            assert first.probability == last.probability

    def test_items_are_packs(self, wiring: Wiring, classifier: str) -> None:
        """Crops of one pack are one item, whichever of them are asked for."""
        first, second = import_crops(wiring, 3, seed=1), import_crops(wiring, 2, seed=2)
        job = classify(wiring, classifier, crop_ids=(second[1], first[2], first[0]))
        items = wiring.jobs.items(job.id).items

        assert [2, 1] == [item.outputs["crops"] for item in items]
        assert {first[0], first[2], second[1]} == set(array_of(wiring, job.id)[1])

    def test_threshold_of_the_job_wins(self, wiring: Wiring, segmented: Segmented, classifier: str) -> None:
        """At threshold 0 everything is an aberration, and the probability stays what it is."""
        usual = classify(wiring, classifier, job_id=segmented.job_id, threshold=1.0)
        strict = classify(wiring, classifier, job_id=segmented.job_id, threshold=0.0)

        assert {"normal": 2, "aberration": 0} == usual.result["classes"]
        assert {"normal": 0, "aberration": 2} == strict.result["classes"]
        assert 1 == len({p.probability for p in crop_of(wiring, segmented.crop_ids[0]).predictions})

    def test_newer_version_keeps_old_scores(
        self, wiring: Wiring, segmented: Segmented, classifier: str
    ) -> None:
        """A later version adds its scores; the earlier ones stay, and the newest are mirrored."""
        other = add_classifier(wiring, classifier.partition("/")[0], seed=1)
        classify(wiring, classifier, job_id=segmented.job_id)
        classify(wiring, other, job_id=segmented.job_id)
        crop = crop_of(wiring, segmented.crop_ids[0])

        assert [classifier, other] == [one.classifier for one in crop.predictions]
        assert crop.probability == crop.predictions[1].probability != crop.predictions[0].probability

    def test_older_job_that_ends_later_does_not_win(
        self, wiring: Wiring, segmented: Segmented, classifier: str
    ) -> None:
        """What was submitted last is shown, in whatever order the jobs run."""
        older = submit(wiring, classifier, job_id=segmented.job_id, threshold=0.0)
        newer = submit(wiring, classifier, job_id=segmented.job_id, threshold=1.0)
        for job in (newer, older):
            assert "succeeded" == run_here(wiring, job.id).status
        crop = crop_of(wiring, segmented.crop_ids[0])

        assert "normal" == crop.predicted_class
        assert [older.id, newer.id] == [one.job_id for one in crop.predictions]

    def test_aberration_starts_at_the_threshold(
        self, wiring: Wiring, segmented: Segmented, classifier: str
    ) -> None:
        """A probability that equals the threshold is flagged."""
        classify(wiring, classifier, crop_ids=segmented.crop_ids[:1])
        probability = crop_of(wiring, segmented.crop_ids[0]).probability
        classify(wiring, classifier, crop_ids=segmented.crop_ids[:1], threshold=probability)

        assert "aberration" == crop_of(wiring, segmented.crop_ids[0]).predicted_class


class FlakyStore:
    """The real store, but it is away when embeddings are put together."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Refuse arrays of whole jobs."""
        if key.startswith("embeddings/"):
            raise StoreUnavailableError("The store is away.")
        self._store.put(key, data)

    def get(self, key: str) -> bytes:
        """Read as always."""
        return self._store.get(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read as always."""
        return self._store.get_range(key, start, length)

    def stream(self, key: str) -> Iterator[bytes]:
        """Read as always."""
        return self._store.stream(key)

    def exists(self, key: str) -> bool:
        """Look as always."""
        return self._store.exists(key)

    def size(self, key: str) -> int:
        """Look as always."""
        return self._store.size(key)

    def sign(self, key: str, method: Literal["GET", "PUT"], expires_in_s: float) -> SignedRequest | None:
        """Sign as always."""
        return self._store.sign(key, method, expires_in_s)

    def delete(self, key: str) -> None:
        """Delete as always."""
        self._store.delete(key)

    def check(self) -> None:
        """Answer as always."""
        self._store.check()


class TestInterruptions:
    def test_an_end_that_was_cut_is_made_up_for(self, wiring: Wiring, classifier: str) -> None:
        """When all is recorded but not put together, the next attempt does only that."""
        crop_ids = import_crops(wiring, 3, seed=3)
        patient = replace(wiring, settings=wiring.settings.model_copy(update={"retry_backoff_s": 0}))
        job = submit(wiring, classifier, crop_ids=crop_ids)
        cut = run_here(replace(patient, store=FlakyStore(wiring.store)), job.id)
        with pytest.raises(NotFoundError, match="wait until"):
            wiring.embeddings.embedding(crop_ids[0])
        ended = run_here(patient, job.id)

        assert ("queued", 1) == (cut.status, cut.progress.done)
        assert ("succeeded", 2, 3) == (ended.status, ended.attempt, ended.result["embeddings"])
        assert [0, 1, 2] == [array_of(wiring, job.id)[1][crop_id] for crop_id in crop_ids]

    def test_retry_completes_the_array(self, wiring: Wiring, classifier: str) -> None:
        """A pack that was missing fails its item; after a retry the array holds all crops in order."""
        lost, kept = import_crops(wiring, 2, seed=4), import_crops(wiring, 2, seed=5)
        key = crop_of(wiring, lost[0]).pack_key
        content = wiring.store.get(key)
        wiring.store.delete(key)
        partial = run_here(wiring, submit(wiring, classifier, crop_ids=lost + kept).id)
        early, _ = array_of(wiring, partial.id)
        wiring.store.put(key, content)
        wiring.jobs.retry(partial.id)
        ended = run_here(wiring, partial.id)
        array, rows = array_of(wiring, partial.id)
        with pytest.raises(ObjectNotFoundError):
            wiring.store.get(part_key(partial.id, 1))

        assert ("partial", 2) == (partial.status, partial.result["embeddings"])
        assert ("succeeded", 4) == (ended.status, ended.result["embeddings"])
        assert [0, 1, 2, 3] == [rows[crop_id] for crop_id in lost + kept]
        assert early.tobytes() == array[2:].tobytes()

    def test_damaged_pack_fails_its_own_item_only(self, wiring: Wiring, classifier: str) -> None:
        """What cannot be read is told with the model's own code, and the rest is classified."""
        bad, good = import_crops(wiring, 1, seed=6), import_crops(wiring, 1, seed=7)
        with wiring.sessions.begin() as session:
            pack_key = session.get_one(CropRow, bad[0]).pack_key
        wiring.store.put(pack_key, b"not a pack")
        job = run_here(wiring, submit(wiring, classifier, crop_ids=bad + good).id)
        (item, _) = wiring.jobs.items(job.id).items

        assert ("partial", "failed") == (job.status, item.status)
        assert item.error is not None
        assert "crop_pack_invalid" == item.error["code"]

    def test_nothing_classified_leaves_no_array(self, wiring: Wiring, classifier: str) -> None:
        """A job whose items all failed ends failed, and has nothing to put together."""
        crop_ids = import_crops(wiring, 1, seed=8)
        wiring.store.delete(crop_of(wiring, crop_ids[0]).pack_key)
        job = run_here(wiring, submit(wiring, classifier, crop_ids=crop_ids).id)
        with wiring.readers() as session:
            kept = session.get(EmbeddingSetRow, job.id)

        assert ("failed", None) == (job.status, kept)


class TestSelection:
    @pytest.mark.parametrize("by", ["sample", "batch_id"])
    def test_takes_the_newest_segmentation(
        self, wiring: Wiring, client: httpx.Client, segmented: Segmented, classifier: str, by: str
    ) -> None:
        """Of an image that was segmented twice only the later crops are classified."""
        later = segment(wiring, client, segmented.sample)
        batch_id = upload(client, segmented.sample)["id"]
        job = submit(wiring, classifier, **{by: segmented.sample if by == "sample" else batch_id})
        ended = run_here(wiring, job.id)

        assert segmented.image_id == later.image_id
        assert {"crops": 2, "images": 1, "images_not_segmented": 0} == {
            name: ended.inputs[name] for name in ("crops", "images", "images_not_segmented")
        }
        assert set(later.crop_ids) == set(array_of(wiring, ended.id)[1])

    def test_tells_how_many_images_it_leaves_out(
        self, wiring: Wiring, client: httpx.Client, segmented: Segmented, classifier: str
    ) -> None:
        """An image of the sample that nobody segmented yet is counted, not forgotten."""
        upload(client, segmented.sample, seed=7)

        assert 1 == submit(wiring, classifier, sample=segmented.sample).inputs["images_not_segmented"]

    def test_generated_crops_never_come_with_a_sample(
        self, wiring: Wiring, segmented: Segmented, classifier: str
    ) -> None:
        """They are classified when they are named, and only then."""
        source = segmented.crop_ids[0]
        made_by = wiring.jobs.submit("diagnostic", {}).id
        (made,) = import_crops(wiring, 1, seed=9, origin="generated", source_crop_id=source, job_id=made_by)
        by_sample = submit(wiring, classifier, sample=segmented.sample)
        by_id = classify(wiring, classifier, crop_ids=(made,))

        assert 2 == by_sample.inputs["crops"]
        assert (None, [made]) == (by_id.sample, list(array_of(wiring, by_id.id)[1]))

    def test_dataset(self, wiring: Wiring, classifier: str) -> None:
        """All crops of a frozen data set are classified."""
        crop_ids = import_crops(wiring, 4, seed=10)
        ref = freeze(wiring, f"d-{uuid.uuid4().hex[:8]}", crop_ids)
        job = classify(wiring, classifier, dataset=ref)

        assert (ref, 4) == (job.inputs["dataset"], job.result["crops"])
        assert "dataset=" in job.result["links"]["crops"]

    def test_inputs_stay_as_they_were(
        self, wiring: Wiring, client: httpx.Client, segmented: Segmented, classifier: str
    ) -> None:
        """A segmentation that comes after the submission changes nothing of the job."""
        job = submit(wiring, classifier, sample=segmented.sample)
        segment(wiring, client, segmented.sample)
        run_here(wiring, job.id)

        assert set(segmented.crop_ids) == set(array_of(wiring, job.id)[1])

    @pytest.mark.parametrize(
        "fields",
        [
            {"crop_ids": ("crop_none",)},
            {"job_id": "job_none"},
            {"batch_id": "batch_none"},
            {"dataset": "none/1"},
        ],
    )
    def test_unknown_inputs(self, wiring: Wiring, classifier: str, fields: dict[str, Any]) -> None:
        """What does not exist is named."""
        with pytest.raises(NotFoundError, match="none"):
            submit(wiring, classifier, **fields)

    def test_sample_without_chromosomes(self, wiring: Wiring, client: httpx.Client, classifier: str) -> None:
        """The message says what to do first."""
        sample = f"S-{uuid.uuid4()}"
        upload(client, sample)
        with pytest.raises(InvalidInputError, match="submit a segmentation first"):
            submit(wiring, classifier, sample=sample)

    def test_job_that_made_no_crops(self, wiring: Wiring, segmented: Segmented, classifier: str) -> None:
        """A classification makes none, however many it classified."""
        job = classify(wiring, classifier, job_id=segmented.job_id)
        with pytest.raises(InvalidInputError, match="made no crops"):
            submit(wiring, classifier, job_id=job.id)

    def test_job_that_still_runs(self, wiring: Wiring, segmented: Segmented, classifier: str) -> None:
        """Half of a job's crops are never taken for all of them."""
        with wiring.sessions.begin() as session:
            session.execute(
                update(JobRow).where(JobRow.id == segmented.job_id).values(status="queued", finished_at=None)
            )
        with pytest.raises(ConflictError, match="has ended"):
            submit(wiring, classifier, job_id=segmented.job_id)

    def test_starting_point_cannot_classify(self, wiring: Wiring, segmented: Segmented) -> None:
        """Weights that never saw a chromosome are for training only."""
        ref = add_classifier(wiring, f"start-{uuid.uuid4().hex[:8]}", trained=False)
        with pytest.raises(InvalidInputError, match="starting point"):
            submit(wiring, ref, job_id=segmented.job_id)

    def test_training_names_an_existing_dataset(self, wiring: Wiring) -> None:
        """A training keeps the exact data set; one that does not exist is refused."""
        ref = freeze(wiring, f"d-{uuid.uuid4().hex[:8]}", import_crops(wiring, 1, seed=11))
        start = add_classifier(wiring, f"start-{uuid.uuid4().hex[:8]}", trained=False)
        request = ClassifierTrainingRequest(
            kind="classifier_training", name="new", dataset=ref, classifier=start
        )
        job = wiring.submissions.submit(request)
        with pytest.raises(NotFoundError, match="none/3"):
            wiring.submissions.submit(request.model_copy(update={"dataset": "none/3"}))

        assert {"dataset": ref} == job.inputs
        assert {"classifier": start} == job.artifacts


class TestScoring:
    @pytest.fixture
    def sample(self, wiring: Wiring, client: httpx.Client) -> str:
        """A sample of two images; a person drew the masks of the first."""
        register_shipped(wiring.sessions, wiring.store)
        sample = f"S-{uuid.uuid4()}"
        image_id = upload(client, sample)["items"][0]["image_id"]
        upload(client, sample, seed=1)
        masks = np.zeros((32, 40), np.int32)
        for instance in INSTANCES:
            y0, x0, y1, x1 = instance.bbox
            masks[y0:y1, x0:x1] = instance.label
        wiring.annotations.put_masks(image_id, masks_tiff(masks), "m.koch")
        return sample

    def test_goes_from_images_to_scores(self, wiring: Wiring, sample: str, classifier: str) -> None:
        """One job leaves what both kinds would; the same crops classified alone score the same."""
        request = ScoringRequest(kind="scoring", sample=sample, masks="annotated", classifier=classifier)
        job = run_here(wiring, wiring.submissions.submit(request).id)
        scored, failed = wiring.jobs.items(job.id).items
        with wiring.readers() as session:
            crops = CropRepository(session).list_page(CropFilter(job_id=job.id), PageRequest()).items
        array, rows = array_of(wiring, job.id)
        alone = classify(wiring, classifier, crop_ids=(crops[1].id,))

        assert ("partial", "failed") == (job.status, failed.status)
        assert (2, 2, 2) == (job.result["chromosomes"], job.result["crops"], len(crops))
        assert scored.outputs["max_probability"] == max(crop.probability or 0 for crop in crops)
        assert scored.outputs["aberrations"] == job.result["classes"]["aberration"]
        assert [1, 2] == [crop.label for crop in crops]
        assert array[rows[crops[1].id]].tobytes() == array_of(wiring, alone.id)[0].tobytes()
        assert sample == job.sample

    def test_retry_scores_what_failed(
        self, wiring: Wiring, client: httpx.Client, sample: str, classifier: str
    ) -> None:
        """When what was missing has come, both steps run for that image, and nothing is there twice."""
        request = ScoringRequest(kind="scoring", sample=sample, masks="annotated", classifier=classifier)
        job = run_here(wiring, wiring.submissions.submit(request).id)
        image_id = wiring.jobs.items(job.id).items[1].input_id
        masks = np.zeros((32, 40), np.int32)
        masks[5:25, 10:20] = 3
        wiring.annotations.put_masks(image_id, masks_tiff(masks), "m.koch")
        wiring.jobs.retry(job.id)
        ended = run_here(wiring, job.id)

        assert ("succeeded", 3, 3) == (ended.status, ended.result["crops"], ended.result["embeddings"])
        assert 3 == len(client.get("/v1/crops", params={"job": job.id}).json()["items"])

    def test_image_without_chromosomes_is_scored(
        self, wiring: Wiring, client: httpx.Client, classifier: str
    ) -> None:
        """Nothing found is an outcome: no crops, no highest probability, and no array."""
        register_shipped(wiring.sessions, wiring.store)
        sample = f"S-{uuid.uuid4()}"
        upload(client, sample)
        request = ScoringRequest(kind="scoring", sample=sample, min_area_px=100_000, classifier=classifier)
        job = run_here(wiring, wiring.submissions.submit(request).id)
        (item,) = wiring.jobs.items(job.id).items

        assert ("succeeded", 0, 0) == (job.status, job.result["crops"], job.result["embeddings"])
        assert (0, None) == (item.outputs["aberrations"], item.outputs["max_probability"])
