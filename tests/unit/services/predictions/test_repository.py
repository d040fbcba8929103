from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from services.db.engine import SessionFactory
from services.db.tables import CropRow, PredictionRow
from services.predictions.repository import PredictionRepository
from services.predictions.types import EmbeddingSet, NewPrediction

JOBS = ("job_1", "job_2", "job_3")


def said(probability: float, *crop_ids: str) -> list[NewPrediction]:
    """The same for some crops."""
    return [
        NewPrediction(crop_id, "aberration" if probability >= 0.5 else "normal", probability)
        for crop_id in crop_ids
    ]


def mirror(sessions: SessionFactory, crop_id: str) -> tuple[str | None, float | None, str | None]:
    """What a crop's own row says."""
    with sessions() as session:
        row = session.get_one(CropRow, crop_id)
        return row.predicted_class, row.probability, row.predicted_by


class TestMirror:
    @pytest.mark.parametrize("order", [("job_1", "job_2"), ("job_2", "job_1")])
    def test_only_moves_forward(self, stored: SessionFactory, order: tuple[str, str]) -> None:
        """The job that was submitted last is mirrored, in whatever order they record."""
        probabilities = {"job_1": 0.1, "job_2": 0.9}
        for job_id in order:
            with stored.begin() as session:
                PredictionRepository(session).add(job_id, "c/1", 0, said(probabilities[job_id], "crop_a"))

        assert ("aberration", 0.9, "job_2") == mirror(stored, "crop_a")

    def test_touches_its_own_crops_only(self, stored: SessionFactory) -> None:
        """An item moves the mirrors of its crops, not those of the job's other items again."""
        with stored.begin() as session:
            predictions = PredictionRepository(session)
            predictions.add("job_1", "c/1", 0, said(0.1, "crop_a"))
            predictions.add("job_1", "c/1", 1, said(0.7, "crop_b"))

        assert ("normal", 0.1, "job_1") == mirror(stored, "crop_a")
        assert ("aberration", 0.7, "job_1") == mirror(stored, "crop_b")
        assert (None, None, None) == mirror(stored, "crop_c")

    def test_goes_with_its_predictions(self, stored: SessionFactory) -> None:
        """A transaction that is rolled back leaves neither."""
        with stored() as session:
            PredictionRepository(session).add("job_1", "c/1", 0, said(0.1, "crop_a"))
            session.rollback()

        assert (None, None, None) == mirror(stored, "crop_a")


class TestPredictions:
    def test_are_counted_by_class_and_item(self, stored: SessionFactory) -> None:
        """Totals and items tell of one job alone."""
        with stored.begin() as session:
            predictions = PredictionRepository(session)
            predictions.add("job_1", "c/1", 3, said(0.1, "crop_a", "crop_b"))
            predictions.add("job_1", "c/1", 0, said(0.7, "crop_c"))
            predictions.add("job_2", "c/1", 0, said(0.7, "crop_c"))
            predictions.add("job_2", "c/1", 1, [])
            totals = predictions.totals("job_1")

            assert (3, 2, 1) == (totals.crops, totals.normal, totals.aberration)
            assert [(0, 1), (3, 2)] == predictions.rows_by_item("job_1")
            assert [(0, 1)] == predictions.rows_by_item("job_2")

    def test_come_newest_last(self, stored: SessionFactory) -> None:
        """Predictions of a crop go by job."""
        with stored.begin() as session:
            predictions = PredictionRepository(session)
            for job_id in ("job_2", "job_3", "job_1"):
                predictions.add(job_id, "c/1", 0, said(0.5, "crop_a"))
            found = predictions.of_crops(["crop_a", "crop_b"])

        assert [*JOBS] == [one.job_id for one in found["crop_a"]]
        assert "crop_b" not in found

    def test_impossible_probability(self, stored: SessionFactory) -> None:
        """The database itself refuses a probability above one."""
        with stored() as session, pytest.raises(IntegrityError, match="probability_in_range"):
            PredictionRepository(session).add("job_1", "c/1", 0, said(1.5, "crop_a"))


class TestEmbeddingSets:
    def test_number_rows_by_item_and_id(self, stored: SessionFactory) -> None:
        """Row numbers follow the parts; a later set of the job replaces the earlier one."""
        with stored.begin() as session:
            predictions = PredictionRepository(session)
            predictions.add("job_1", "c/1", 1, said(0.1, "crop_a"))
            predictions.put_set(EmbeddingSet("job_1", "c/1", "first", "0", 1))
            predictions.add("job_1", "c/1", 0, said(0.1, "crop_c", "crop_b"))
            predictions.put_set(EmbeddingSet("job_1", "c/1", "second", "1", 3))
        with stored() as session:
            rows = session.execute(
                select(PredictionRow.crop_id, PredictionRow.embedding_row).order_by(
                    PredictionRow.embedding_row
                )
            ).all()
            place = PredictionRepository(session).place_of("crop_a")

        assert [("crop_b", 0), ("crop_c", 1), ("crop_a", 2)] == [tuple(row) for row in rows]
        assert place is not None
        assert ("second", 2) == (place.embeddings.object_key, place.row)

    def test_are_found_for_many_crops_at_once(self, stored: SessionFactory) -> None:
        """Of each crop the newest embedding of that very version; a crop without one is missing."""
        with stored.begin() as session:
            predictions = PredictionRepository(session)
            predictions.add("job_1", "c/1", 0, said(0.1, "crop_a", "crop_b"))
            predictions.add("job_2", "c/1", 0, said(0.1, "crop_b"))
            predictions.add("job_3", "c/2", 0, said(0.1, "crop_a", "crop_c"))
            for job_id, classifier in (("job_1", "c/1"), ("job_2", "c/1"), ("job_3", "c/2")):
                predictions.put_set(EmbeddingSet(job_id, classifier, f"of_{job_id}", "0", 2))
            found = predictions.places_of(["crop_a", "crop_b", "crop_c"], "c/1")
            nothing = predictions.places_of([], "c/1")

        assert {"crop_a": ("of_job_1", 0), "crop_b": ("of_job_2", 0)} == {
            crop_id: (place.embeddings.object_key, place.row) for crop_id, place in found.items()
        }
        assert {} == nothing

    def test_that_are_not_assembled_are_no_places(self, stored: SessionFactory) -> None:
        """A job that runs still has predictions, and no array yet."""
        with stored.begin() as session:
            predictions = PredictionRepository(session)
            predictions.add("job_1", "c/1", 0, said(0.1, "crop_a"))

            assert {} == predictions.places_of(["crop_a"], "c/1")
