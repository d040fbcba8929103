"""Filtering jobs, from submission to rows, counts and links."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import event, func, select, update

from api.wiring import Wiring
from models.filtering.filter import Filter
from services.artifacts.service import ArtifactService
from services.crops.repository import CropRepository
from services.db.tables import CropRow, EmbeddingSetRow, FilterScoreRow, JobRow, PredictionRow
from services.errors import ConflictError, InvalidInputError, NotFoundError
from services.filtering.repository import FilterScoreRepository
from services.filtering.selection import FilterClassifierMissingError
from services.filtering.types import FilterScore
from services.filtering.verdicts import redecide
from services.jobs.params import ClassificationRequest, FilteringRequest
from services.jobs.types import Job
from services.predictions.arrays import read_places
from services.predictions.repository import PredictionRepository
from tests.support.classifiers import add_classifier
from tests.support.filters import NUM_ROWS, add_filter, filter_on
from tests.support.generated import add_dataset
from tests.support.imported import import_crops
from tests.support.jobs import run_here
from tests.support.predicted import predict

pytestmark = pytest.mark.integration

# Weights of their own: filters are found by weights, and no other test's jobs should find these.
SEED = 41


@pytest.fixture(scope="module")
def classifier(wiring: Wiring) -> str:
    return add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}", seed=SEED)


@pytest.fixture(scope="module")
def found(wiring: Wiring, classifier: str) -> Filter:
    """A filter on the embeddings of crops like those that the tests filter."""
    crop_ids = import_crops(wiring, NUM_ROWS, seed=1000)
    classify(wiring, classifier, crop_ids)
    return filter_on(wiring, classifier, embeddings_of(wiring, classifier, crop_ids))


@pytest.fixture(scope="module")
def filter_ref(wiring: Wiring, found: Filter) -> str:
    return add_filter(wiring, found)


def classify(wiring: Wiring, classifier: str, crop_ids: tuple[str, ...]) -> Job:
    """Classify crops as a job of its own."""
    request = ClassificationRequest(kind="classification", classifier=classifier, crop_ids=crop_ids)
    job = run_here(wiring, wiring.submissions.submit(request).id)

    assert "succeeded" == job.status, job.error
    return job


def embeddings_of(wiring: Wiring, classifier: str, crop_ids: tuple[str, ...]) -> NDArray[np.float32]:
    """Stored embeddings of crops, in their order."""
    with wiring.readers() as session:
        places = PredictionRepository(session).places_of(crop_ids, classifier)
    return read_places(wiring.store, [places[crop_id] for crop_id in crop_ids])


def submit(wiring: Wiring, filter_ref: str, **fields: Any) -> Job:
    """Submit a filtering."""
    return wiring.submissions.submit(FilteringRequest(kind="filtering", filter=filter_ref, **fields))


def sift(wiring: Wiring, filter_ref: str, **fields: Any) -> Job:
    """Filter in this process."""
    job = run_here(wiring, submit(wiring, filter_ref, **fields).id)

    assert "succeeded" == job.status, job.error
    return job


def scores_of(wiring: Wiring, job: Job) -> dict[str, FilterScore]:
    """What a job's filter said, by crop."""
    with wiring.readers() as session:
        row = FilterScoreRow
        crop_ids = session.scalars(
            select(row.crop_id).where(row.job_id == job.id).order_by(row.crop_id)
        ).all()
        found = FilterScoreRepository(session).of_crops(crop_ids)
    return {crop_id: next(one for one in found[crop_id] if one.job_id == job.id) for crop_id in crop_ids}


def numbers_of(scores: dict[str, FilterScore]) -> dict[str, tuple[Any, ...]]:
    """Scores without what tells jobs apart."""
    return {
        crop_id: (
            *(one.x, one.y, one.component, one.mahalanobis2),
            *(one.needed_level, one.knn_distance, one.knn_percentile, one.kept),
        )
        for crop_id, one in scores.items()
    }


def generate(wiring: Wiring, number: int, *, seed: int) -> tuple[str, tuple[str, ...]]:
    """A job that has ended, and synthetic crops that it made of an imported one."""
    (source,) = import_crops(wiring, 1, seed=seed)
    job_id = wiring.jobs.submit("diagnostic", {}).id
    made = import_crops(
        wiring, number, seed=seed + 1, origin="generated", source_crop_id=source, job_id=job_id
    )
    with wiring.sessions.begin() as session:
        session.execute(
            update(JobRow).where(JobRow.id == job_id).values(status="succeeded", finished_at=func.now())
        )
    return job_id, made


@contextmanager
def statements(wiring: Wiring) -> Iterator[list[str]]:
    """Gather what is sent to the database."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(wiring.engine, "before_cursor_execute", note)
    yield sent
    event.remove(wiring.engine, "before_cursor_execute", note)


class TestFiltering:
    def test_decides_on_all_crops_of_a_generation(
        self, wiring: Wiring, classifier: str, found: Filter, filter_ref: str
    ) -> None:
        """Every crop gets the filter's scores of its embedding, and the job tells before and after."""
        made_by, made = generate(wiring, 30, seed=1)
        job = sift(wiring, filter_ref, job_id=made_by)
        scores = found.score(embeddings_of(wiring, classifier, made))
        rows = scores_of(wiring, job)

        assert list(made) == list(rows)
        assert scores.coordinates.tolist() == [[one.x, one.y] for one in rows.values()]
        assert scores.needed_level.tolist() == [one.needed_level for one in rows.values()]
        assert scores.mahalanobis2.tolist() == [one.mahalanobis2 for one in rows.values()]
        assert scores.component.tolist() == [one.component for one in rows.values()]
        assert scores.knn_percentile.tolist() == [one.knn_percentile for one in rows.values()]
        kept = scores.kept(0.6)
        assert 0 < kept.sum() < 30
        assert kept.tolist() == [one.kept for one in rows.values()]
        count = {"before": 30, "after": int(kept.sum()), "share": kept.sum() / 30}
        assert (
            count | {"by_origin": {"generated": count}, "by_class": {"unlabelled": count}}
            == job.result["counts"]
        )
        assert (30, kept.sum(), 0.6, None) == tuple(
            job.result[name] for name in ("crops", "kept", "level", "max_percentile")
        )

    def test_names_what_it_worked_with(self, wiring: Wiring, classifier: str, filter_ref: str) -> None:
        """Exact versions are settled at submission: the filter's, and that of its classifier."""
        job = submit(wiring, filter_ref, crop_ids=import_crops(wiring, 1, seed=3))
        ended = run_here(wiring, job.id)

        assert {"filter": filter_ref, "classifier": classifier} == job.artifacts
        assert (filter_ref, classifier, "umap") == tuple(
            ended.result[name] for name in ("filter", "classifier", "method")
        )
        assert f"/v1/crops?filtered_by={job.id}&kept=true" == ended.result["links"]["kept"]

    def test_draws_its_map(self, wiring: Wiring, filter_ref: str) -> None:
        """The page and the picture are stored, and the result links them."""
        job = sift(wiring, filter_ref, crop_ids=import_crops(wiring, 3, seed=30))
        drawn = job.result["map"]

        assert "made" == drawn["status"]
        assert wiring.store.get(drawn["html_key"]).lstrip().lower().startswith(b"<!doctype html>")
        assert wiring.store.get(drawn["png_key"]).startswith(b"\x89PNG")
        assert f"/v1/jobs/{job.id}/map.html" == job.result["links"]["map"]

    def test_keeps_what_it_computes(self, wiring: Wiring, classifier: str, filter_ref: str) -> None:
        """Crops that nobody classified are, as by a classification: prediction, embedding and mirror."""
        crop_ids = import_crops(wiring, 3, seed=4)
        job = sift(wiring, filter_ref, crop_ids=crop_ids)
        with wiring.readers() as session:
            kept = session.get_one(EmbeddingSetRow, job.id)
            crop = CropRepository(session).get(crop_ids[0])

        assert (3, classifier) == (kept.num_rows, kept.classifier)
        assert crop is not None
        assert [(job.id, classifier)] == [(one.job_id, one.classifier) for one in crop.predictions]
        assert crop.probability == crop.predictions[0].probability
        assert {"computed": 3, "reused": 0} == job.result["embeddings"]

    def test_stored_and_computed_embeddings_decide_alike(
        self, wiring: Wiring, classifier: str, filter_ref: str
    ) -> None:
        """Classified before, filtered before, or never seen: the scores are the same, bit for bit."""
        seen, new = import_crops(wiring, 6, seed=5), import_crops(wiring, 6, seed=5)
        classify(wiring, classifier, seen)
        of_seen = sift(wiring, filter_ref, crop_ids=seen)
        of_new = sift(wiring, filter_ref, crop_ids=new)
        again = sift(wiring, filter_ref, crop_ids=new)
        numbers = [list(numbers_of(scores_of(wiring, job)).values()) for job in (of_seen, of_new, again)]

        assert {"computed": 0, "reused": 6} == of_seen.result["embeddings"] == again.result["embeddings"]
        assert {"computed": 6, "reused": 0} == of_new.result["embeddings"]
        assert numbers[0] == numbers[1] == numbers[2]

    def test_pack_that_is_half_classified(self, wiring: Wiring, classifier: str, filter_ref: str) -> None:
        """Of one pack only the crops without an embedding are computed, and all are in their order."""
        crop_ids = import_crops(wiring, 6, seed=6)
        classify(wiring, classifier, crop_ids[1::2])
        job = sift(wiring, filter_ref, crop_ids=crop_ids)
        alone = {}
        for crop_id in crop_ids:
            alone |= numbers_of(scores_of(wiring, sift(wiring, filter_ref, crop_ids=(crop_id,))))

        assert {"computed": 3, "reused": 3} == job.result["embeddings"]
        assert alone == numbers_of(scores_of(wiring, job))

    def test_embeddings_of_another_version_are_not_used(self, wiring: Wiring, filter_ref: str) -> None:
        """What another network said of a crop is no embedding of this one."""
        crop_ids = import_crops(wiring, 2, seed=7)
        classify(wiring, add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}", seed=SEED + 1), crop_ids)

        assert 2 == sift(wiring, filter_ref, crop_ids=crop_ids).result["embeddings"]["computed"]

    def test_asks_the_database_as_often_for_many_crops_as_for_few(
        self, wiring: Wiring, classifier: str, filter_ref: str
    ) -> None:
        """Embeddings are looked up by pack and not crop by crop."""
        counts = []
        for number in (2, 60):
            crop_ids = import_crops(wiring, number, seed=8)
            classify(wiring, classifier, crop_ids)
            job = submit(wiring, filter_ref, crop_ids=crop_ids)
            with statements(wiring) as sent:
                run_here(wiring, job.id)
            # How often leases are renewed and progress is told depends on the time.
            counts.append(sum(not statement.startswith("UPDATE jobs") for statement in sent))

        assert counts[0] == counts[1]

    def test_data_set_is_counted_by_class(self, wiring: Wiring, filter_ref: str) -> None:
        """Of a data set it is told how many of each class are kept."""
        crop_ids = import_crops(wiring, 5, seed=9)
        ref = add_dataset(
            wiring, [(one, "aberration" if n < 2 else "normal", "train") for n, one in enumerate(crop_ids)]
        )
        job = sift(wiring, filter_ref, dataset=ref, level=1.0)

        assert (ref, 5) == (job.inputs["dataset"], job.inputs["crops"])
        assert {"aberration": (2, 2), "normal": (3, 3)} == {
            name: (count["before"], count["after"])
            for name, count in job.result["counts"]["by_class"].items()
        }

    def test_request_moves_level_and_gate(self, wiring: Wiring, found: Filter, classifier: str) -> None:
        """The filter's own hold where nothing is said; 100 turns its gate off."""
        own = filter_on(wiring, classifier, found.manifold.embeddings, level=0.8, max_percentile=70.0)
        ref, crop_ids = add_filter(wiring, own), import_crops(wiring, 20, seed=10)
        classify(wiring, classifier, crop_ids)
        scores = own.score(embeddings_of(wiring, classifier, crop_ids))
        expected = {
            (None, None): scores.kept(0.8, 70.0),
            (0.3, None): scores.kept(0.3, 70.0),
            (None, 100.0): scores.kept(0.8),
            (0.0, 50.0): scores.kept(0.0, 50.0),
        }
        for (level, gate), kept in expected.items():
            job = sift(wiring, ref, crop_ids=crop_ids, level=level, max_percentile=gate)

            assert kept.tolist() == [one.kept for one in scores_of(wiring, job).values()]
            assert kept.sum() == job.result["kept"]

    def test_rule_without_a_mixture(self, wiring: Wiring, found: Filter, classifier: str) -> None:
        """What a rule does not know is not made up; the map and the distances are there all the same."""
        ref = add_filter(wiring, filter_on(wiring, classifier, found.manifold.embeddings, method="none"))
        job = sift(wiring, ref, crop_ids=import_crops(wiring, 2, seed=11))
        rows = scores_of(wiring, job).values()

        assert [(None, None, 0.0, True)] * 2 == [
            (one.component, one.mahalanobis2, one.needed_level, one.kept) for one in rows
        ]
        assert all(one.knn_distance > 0 for one in rows)

    def test_kept_synthetic_crops_stay_out_of_samples(self, wiring: Wiring, filter_ref: str) -> None:
        """A verdict changes nothing of what a crop is."""
        made_by, made = generate(wiring, 3, seed=12)
        sift(wiring, filter_ref, job_id=made_by, level=1.0)
        with wiring.readers() as session:
            rows = session.scalars(select(CropRow).where(CropRow.id.in_(made))).all()

        assert [("generated", None, None)] * 3 == [(row.origin, row.sample, row.image_id) for row in rows]


class TestSubmission:
    @pytest.mark.parametrize(
        "fields", [{"crop_ids": ("crop_none",)}, {"job_id": "job_none"}, {"dataset": "none/1"}]
    )
    def test_unknown_inputs(self, wiring: Wiring, filter_ref: str, fields: dict[str, Any]) -> None:
        """What does not exist is named."""
        with pytest.raises(NotFoundError, match="none"):
            submit(wiring, filter_ref, **fields)

    def test_unknown_filter(self, wiring: Wiring) -> None:
        """So is a filter that nobody fitted."""
        with pytest.raises(NotFoundError, match="nofilter/production"):
            submit(wiring, "nofilter/production", crop_ids=import_crops(wiring, 1))

    def test_job_that_made_no_crops(self, wiring: Wiring, filter_ref: str) -> None:
        """A filtering makes none, however many it filtered."""
        job = sift(wiring, filter_ref, crop_ids=import_crops(wiring, 1, seed=13))
        with pytest.raises(InvalidInputError, match="made no crops"):
            submit(wiring, filter_ref, job_id=job.id)

    def test_generation_that_still_runs(self, wiring: Wiring, filter_ref: str) -> None:
        """Half of a job's crops are never taken for all of them."""
        made_by, _ = generate(wiring, 1, seed=14)
        with wiring.sessions.begin() as session:
            session.execute(
                update(JobRow).where(JobRow.id == made_by).values(status="queued", finished_at=None)
            )
        with pytest.raises(ConflictError, match="has ended"):
            submit(wiring, filter_ref, job_id=made_by)

    def test_filter_whose_classifier_is_not_here(self, wiring: Wiring, found: Filter) -> None:
        """Embeddings of another network mean nothing to it: it says whose it needs."""
        foreign = Filter(
            replace(found.spec, classifier="elsewhere/7", classifier_sha256="f" * 64),
            found.manifold,
            found.rule,
            found.own_distances,
            found.labels,
        )
        with pytest.raises(FilterClassifierMissingError, match=r"elsewhere/7.*ffff"):
            submit(wiring, add_filter(wiring, foreign), crop_ids=import_crops(wiring, 1))


class TestDamage:
    def test_stored_embeddings_that_are_gone_are_computed_again(
        self, wiring: Wiring, classifier: str, filter_ref: str
    ) -> None:
        """The crops are still there, and the verdict is the same."""
        crop_ids = import_crops(wiring, 3, seed=15)
        first = sift(wiring, filter_ref, crop_ids=crop_ids)
        with wiring.sessions.begin() as session:
            wiring.store.delete(session.get_one(EmbeddingSetRow, first.id).object_key)
        second = sift(wiring, filter_ref, crop_ids=crop_ids)

        assert 3 == second.result["embeddings"]["computed"]
        assert numbers_of(scores_of(wiring, first)) == numbers_of(scores_of(wiring, second))
        assert (3, 512) == embeddings_of(wiring, classifier, crop_ids).shape

    def test_embeddings_that_are_not_finite_fail_their_item(
        self, wiring: Wiring, classifier: str, filter_ref: str
    ) -> None:
        """A number that is none has no place on the map, and says so."""
        bad, good = import_crops(wiring, 1, seed=16), import_crops(wiring, 1, seed=17)
        predict(wiring, classifier, {bad[0]: 0.5}, np.full((1, 512), np.nan, np.float32))
        job = run_here(wiring, submit(wiring, filter_ref, crop_ids=bad + good).id)
        (item, _) = wiring.jobs.items(job.id).items

        assert ("partial", "failed") == (job.status, item.status)
        assert item.error is not None
        assert "projection_failed" == item.error["code"]
        assert list(good) == list(scores_of(wiring, job))

    def test_pack_is_read_only_where_something_is_to_compute(
        self, wiring: Wiring, classifier: str, filter_ref: str
    ) -> None:
        """A damaged pack fails crops that nobody classified, and not those whose embeddings are stored."""
        seen, new = import_crops(wiring, 1, seed=18), import_crops(wiring, 1, seed=19)
        classify(wiring, classifier, seen)
        with wiring.sessions.begin() as session:
            for (crop_id,) in (seen, new):
                wiring.store.put(session.get_one(CropRow, crop_id).pack_key, b"not a pack")
        job = run_here(wiring, submit(wiring, filter_ref, crop_ids=seen + new).id)
        first, second = wiring.jobs.items(job.id).items

        assert ("partial", "succeeded", "failed") == (job.status, first.status, second.status)
        assert second.error is not None
        assert "crop_pack_invalid" == second.error["code"]

    def test_damaged_filter_fails_the_job(self, wiring: Wiring, classifier: str, found: Filter) -> None:
        """Bytes that changed since they were stored decide nothing."""
        own = filter_on(wiring, classifier, found.manifold.embeddings, level=0.123)
        ref = add_filter(wiring, own)
        with wiring.readers() as session:
            file = ArtifactService(session, wiring.store).resolve("filter", ref).files["filter.safetensors"]
        content = bytearray(wiring.store.get(file.key))
        content[len(content) // 2] ^= 1
        wiring.store.put(file.key, bytes(content))
        job = run_here(wiring, submit(wiring, ref, crop_ids=import_crops(wiring, 1, seed=20)).id)

        assert "failed" == job.status
        assert job.error is not None
        assert "artifact_damaged" == job.error["code"]

    def test_manifest_of_another_filter_fails_the_job(self, wiring: Wiring, found: Filter) -> None:
        """A level in the manifest that is not the file's would be told and not applied."""
        ref = add_filter(wiring, found, filter=found.spec.to_json() | {"level": 0.99})
        job = run_here(wiring, submit(wiring, ref, crop_ids=import_crops(wiring, 1, seed=21)).id)

        assert job.error is not None
        assert ("failed", "filter_damaged") == (job.status, job.error["code"])


class TestInterruptions:
    def test_job_that_was_handed_over_ends_as_one_that_was_not(self, wiring: Wiring, filter_ref: str) -> None:
        """A worker that stops after an item leaves the rest to the next one; nothing is there twice."""
        crop_ids = tuple(one for seed in range(22, 26) for one in import_crops(wiring, 3, seed=seed))
        job = submit(wiring, filter_ref, crop_ids=crop_ids)
        recorded = select(func.count()).select_from(FilterScoreRow).where(FilterScoreRow.job_id == job.id)

        def stopping() -> bool:
            with wiring.readers() as session:
                return bool(session.scalar(recorded))

        stopped = run_here(wiring, job.id, stopping)
        ended = run_here(wiring, job.id)
        whole = sift(wiring, filter_ref, crop_ids=crop_ids)

        assert ("queued", 1) == (stopped.status, stopped.progress.done)
        assert ("succeeded", 12, 12) == (
            ended.status,
            ended.result["crops"],
            ended.result["embeddings"]["computed"],
        )
        assert numbers_of(scores_of(wiring, whole)) == numbers_of(scores_of(wiring, ended))
        same = ("counts", "kept", "drift", "level")
        assert {n: whole.result[n] for n in same} == {n: ended.result[n] for n in same}

    def test_retry_goes_by_the_level_that_was_set_since(self, wiring: Wiring, filter_ref: str) -> None:
        """What a person decided after the first end holds for the crops that the retry adds."""
        good, late = import_crops(wiring, 4, seed=27), import_crops(wiring, 4, seed=28)
        with wiring.readers() as session:
            key = session.get_one(CropRow, late[0]).pack_key
        content = wiring.store.get(key)
        wiring.store.delete(key)
        partial = run_here(wiring, submit(wiring, filter_ref, crop_ids=good + late, level=0.5).id)
        with wiring.sessions.begin() as session:
            redecide(session, partial.id, 1.0, None, actor="test")
        wiring.store.put(key, content)
        wiring.jobs.retry(partial.id)
        ended = run_here(wiring, partial.id)

        assert ("partial", 4) == (partial.status, partial.result["crops"])
        assert ("succeeded", 1.0, 8, 8) == (
            ended.status,
            ended.result["level"],
            ended.result["crops"],
            ended.result["kept"],
        )

    def test_predictions_come_with_the_scores_or_not_at_all(self, wiring: Wiring, filter_ref: str) -> None:
        """An item's computed predictions and its scores are one transaction: both count the same crops."""
        job = sift(wiring, filter_ref, crop_ids=import_crops(wiring, 5, seed=29))
        with wiring.readers() as session:
            counts = [
                session.scalar(select(func.count()).select_from(row).where(row.job_id == job.id))
                for row in (FilterScoreRow, PredictionRow)
            ]
        (item,) = wiring.jobs.items(job.id).items

        assert [5, 5] == counts
        assert (5, 5) == (item.outputs["crops"], item.outputs["computed"])
