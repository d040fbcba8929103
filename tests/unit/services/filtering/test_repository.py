from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.db.engine import SessionFactory
from services.db.tables import CropRow, DatasetItemRow, DatasetVersionRow, FilterScoreRow, JobRow
from services.filtering.repository import FilterScoreRepository
from services.filtering.types import FilterCounts, KeptCount, NewFilterScore

FEW = 1_000
MANY = 100_000


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Gather what is sent to the database."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def score(
    crop_id: str, needed_level: float = 0.5, knn_percentile: float = 50.0, **values: Any
) -> NewFilterScore:
    """A crop's scores, by a filter whose rule has a mixture."""
    told: dict[str, Any] = {"x": 1.5, "y": -2.5, "component": 1, "mahalanobis2": 0.25, "kept": True}
    return NewFilterScore(
        crop_id, needed_level=needed_level, knn_distance=3.0, knn_percentile=knn_percentile, **told | values
    )


def kept_of(sessions: SessionFactory, job_id: str) -> int:
    """How many of a job's rows say that their crop is kept."""
    with sessions() as session:
        row = FilterScoreRow
        return session.scalar(select(func.count()).where(row.job_id == job_id, row.kept)) or 0


def add_to_dataset(session: Session, version: int, crop_id: str, item_class: str) -> None:
    """Freeze a data set version of one crop."""
    session.add(
        DatasetVersionRow(name="d", version=version, sha256="0", source="import", manifest={}, counts={})
    )
    session.flush()
    session.add(
        DatasetItemRow(
            dataset_name="d",
            dataset_version=version,
            position=0,
            crop_id=crop_id,
            item_class=item_class,
            split="train",
            group="slide",
            chromosome=crop_id,
            sha256="0",
        )
    )
    session.flush()


class TestRedecide:
    def test_moves_a_hundred_thousand_verdicts_by_one_statement(
        self, filtered_many: SessionFactory, database_engine: Engine
    ) -> None:
        """Nothing is read and nothing is computed: the level that each crop needs is in its row."""
        with statements(database_engine) as sent, filtered_many.begin() as session:
            decided = FilterScoreRepository(session).redecide("job_a", 0.25)

        assert MANY == decided
        assert ["UPDATE"] == [statement.split()[0] for statement in sent]
        assert MANY // 4 + 1 == kept_of(filtered_many, "job_a")

    def test_leaves_other_jobs_alone(self, filtered: SessionFactory) -> None:
        """The same crops, filtered by another job, stay as they were decided."""
        with filtered.begin() as session:
            FilterScoreRepository(session).redecide("job_a", 1.0)

        assert (FEW, 0) == (kept_of(filtered, "job_a"), kept_of(filtered, "job_b"))

    def test_takes_the_second_gate(self, filtered: SessionFactory) -> None:
        """A crop is kept that passes both; a later decision without the gate forgets it."""
        with filtered.begin() as session:
            FilterScoreRepository(session).redecide("job_a", 0.5, 75.0)
        gated = kept_of(filtered, "job_a")
        with filtered.begin() as session:
            FilterScoreRepository(session).redecide("job_a", 0.5)

        assert (FEW // 4 + 1, FEW // 2 + 1) == (gated, kept_of(filtered, "job_a"))

    def test_of_a_job_without_scores_decides_nothing(self, filtered: SessionFactory) -> None:
        """A job that filtered nothing, or does not exist, has nothing to decide."""
        with filtered.begin() as session:
            assert 0 == FilterScoreRepository(session).redecide("job_none", 0.5)

    def test_cannot_give_a_synthetic_crop_a_patient(self, filtered: SessionFactory) -> None:
        """A crop that is kept is still synthetic, and no sample can ever count it."""
        with filtered.begin() as session:
            FilterScoreRepository(session).redecide("job_a", 1.0)
        with filtered() as session:
            origins = session.execute(
                select(CropRow.origin, CropRow.sample)
                .join(FilterScoreRow, FilterScoreRow.crop_id == CropRow.id)
                .where(FilterScoreRow.kept)
                .distinct()
            ).all()
        with pytest.raises(IntegrityError, match="synthetic_has_no_patient"), filtered.begin() as session:
            session.execute(update(CropRow).where(CropRow.id == "crop_000000").values(sample="S26-1"))

        assert [("generated", None)] == [tuple(row) for row in origins]


class TestCounts:
    def test_counts_a_hundred_thousand_by_one_statement(
        self, filtered_many: SessionFactory, database_engine: Engine
    ) -> None:
        """What another level would keep is known without deciding anything."""
        with statements(database_engine) as sent, filtered_many() as session:
            counts = FilterScoreRepository(session).counts("job_a", 0.5, 75.0)

        assert ["SELECT"] == [statement.split()[0] for statement in sent]
        whole = KeptCount(MANY, MANY // 4 + 1)
        assert FilterCounts(MANY, whole.after, {"generated": whole}, {"unlabelled": whole}) == counts
        assert 0 == kept_of(filtered_many, "job_a")

    def test_without_a_level_tells_what_is_decided(self, filtered: SessionFactory) -> None:
        """The counts are those of the rows as they stand."""
        with filtered.begin() as session:
            before = FilterScoreRepository(session).counts("job_a")
            FilterScoreRepository(session).redecide("job_a", 0.1)
            after = FilterScoreRepository(session).counts("job_a")

        assert (0, FEW // 10 + 1) == (before.after, after.after)
        assert FEW == before.before == after.before

    def test_go_by_class_and_origin(self, filtered: SessionFactory) -> None:
        """A data set's classes win over people's verdicts, and only where the job is about that data set."""
        with filtered.begin() as session:
            session.execute(
                update(CropRow)
                .where(CropRow.id.in_(["crop_000000", "crop_000001"]))
                .values(crop_class="normal")
            )
            real = {"origin": "imported", "source_crop_id": None}
            session.execute(update(CropRow).where(CropRow.id == "crop_000002").values(real))
            for version in (1, 2):
                add_to_dataset(session, version, "crop_000000", "aberration")
            verdicts = FilterScoreRepository(session).counts("job_b", 0.001)
            session.execute(update(JobRow).where(JobRow.id == "job_b").values(inputs={"dataset": "d/2"}))
            of_dataset = FilterScoreRepository(session).counts("job_b", 0.001)

        assert {"normal": KeptCount(2, 2), "unlabelled": KeptCount(8, 0)} == verdicts.by_class
        assert {"generated": KeptCount(9, 2), "imported": KeptCount(1, 0)} == verdicts.by_origin
        assert {
            "aberration": KeptCount(1, 1),
            "normal": KeptCount(1, 1),
            "unlabelled": KeptCount(8, 0),
        } == of_dataset.by_class
        assert (10, 2) == (of_dataset.before, of_dataset.after)

    def test_of_nothing(self, filtered: SessionFactory) -> None:
        """A share of no crops is none, and not a division by zero."""
        with filtered() as session:
            counts = FilterScoreRepository(session).counts("job_none")

        empty = {"before": 0, "after": 0, "share": None, "by_origin": {}, "by_class": {}}
        assert empty == counts.to_json()


class TestScores:
    def test_come_back_as_they_were(self, filtered: SessionFactory) -> None:
        """Every bit of a number survives, what a rule does not have is None, and the newest comes last."""
        whole = score("crop_000010", 1 / 3, 2 / 3, x=0.1 + 0.2)
        bare = score("crop_000010", component=None, mahalanobis2=None, kept=False)
        with filtered.begin() as session:
            scores = FilterScoreRepository(session)
            scores.add("job_maker", "f/2", 3, [bare])
            scores.add("job_b", "f/1", 0, [whole])
            scores.add("job_b", "f/1", 1, [])
            found = scores.of_crops(["crop_000010"])["crop_000010"]
            none = scores.of_crops(["crop_source"])

        assert ["job_a", "job_b", "job_maker"] == [one.job_id for one in found]
        assert (1 / 3, 2 / 3, 0.1 + 0.2) == (found[1].needed_level, found[1].knn_percentile, found[1].x)
        assert (None, None, False, "f/2") == (
            found[2].component,
            found[2].mahalanobis2,
            found[2].kept,
            found[2].filter,
        )
        assert {} == none

    def test_decide_in_the_database_as_in_the_filter(self, filtered: SessionFactory) -> None:
        """A crop that needs exactly the level is kept, and the next larger number is not."""
        level = 0.1 + 0.2
        with filtered.begin() as session:
            scores = FilterScoreRepository(session)
            scores.add(
                "job_maker", "f/1", 0, [score("crop_000000", level), score("crop_000001", level + 1e-16)]
            )
            scores.redecide("job_maker", level, 50.0)
            crops = [f"crop_00000{n}" for n in range(2)]
            found = scores.of_crops(crops)
            kept = [found[crop][-1].kept for crop in crops]

        assert level + 1e-16 > level
        assert [True, False] == kept

    @pytest.mark.parametrize(
        ("values", "rule"),
        [
            ({"needed_level": 1.5}, "needed_level_in_range"),
            ({"needed_level": float("nan")}, "needed_level_in_range"),
            ({"knn_percentile": -1.0}, "knn_percentile_in_range"),
            ({"component": -1}, "component_counts"),
            ({"crop_id": "crop_none"}, "fk_filter_scores_crop_id"),
        ],
    )
    def test_that_cannot_be_are_refused(
        self, filtered: SessionFactory, values: dict[str, Any], rule: str
    ) -> None:
        """The database keeps levels and percentiles to their range, and knows the crop."""
        with pytest.raises(IntegrityError, match=rule), filtered.begin() as session:
            FilterScoreRepository(session).add(
                "job_maker", "f/1", 0, [score(**{"crop_id": "crop_000000"} | values)]
            )
