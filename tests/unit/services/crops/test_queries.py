from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text
from sqlalchemy.dialects import postgresql

from services.crops.queries import _place, cursor_of, listing
from services.crops.types import CropFilter, CropSort
from services.db.engine import SessionFactory
from services.errors import InvalidInputError

NUM_CROPS = 20_000
# Twenty samples and jobs; one crop in ten was never classified.
FILL = (
    """
    INSERT INTO jobs (id, kind, params, inputs, artifacts, queue, max_attempts)
    SELECT 'job_' || n, 'scoring', '{}', '{}', '{}', 'gpu', 3 FROM generate_series(0, 19) n
    """,
    """
    INSERT INTO crops (id, origin, job_id, sample, pack_key, pack_index, bbox, area_px, flags,
                       predicted_class, probability, predicted_by)
    SELECT 'crop_' || lpad(n::text, 6, '0'), 'imported', 'job_' || n % 20, 'S-' || n % 20, 'pack', 0,
           '[0, 0, 1, 1]', 1, '{}',
           CASE WHEN n % 10 > 0 THEN 'normal' END,
           CASE WHEN n % 10 > 0 THEN (n * 7919 % 1000) / 1000.0 END,
           CASE WHEN n % 10 > 0 THEN 'job_0' END
    FROM generate_series(1, :number) n
    """,
    """
    INSERT INTO predictions (crop_id, job_id, classifier, class, probability, item_position)
    SELECT id, 'job_0', 'c/1', predicted_class, probability, 0 FROM crops WHERE probability IS NOT NULL
    """,
)


@pytest.fixture
def connection(sessions: SessionFactory, database_engine: Engine) -> Any:
    """A database with many crops, gone after the test."""
    del sessions  # it empties the tables
    with database_engine.connect() as opened:
        for statement in FILL:
            opened.execute(text(statement), {"number": NUM_CROPS} if ":number" in statement else {})
        opened.execute(text("ANALYZE crops"))
        opened.execute(text("ANALYZE predictions"))
        yield opened
        opened.rollback()


def plan_of(connection: Connection, wanted: CropFilter, after: str | None = None) -> str:
    """How Postgres would make a page."""
    query = listing(wanted, after).limit(101)
    compiled = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    return "\n".join(row[0] for row in connection.execute(text(f"EXPLAIN {compiled}".replace(":", r"\:"))))


class TestPlans:
    def test_suspicious_crops_come_from_an_index(self, connection: Connection) -> None:
        """The first page and any later one of a sample, a job or everything is read in order, not sorted."""
        cases: list[tuple[dict[str, Any], str]] = [
            ({"sample": "S-3"}, "ix_crops_sample_probability"),
            ({"job_id": "job_3"}, "ix_crops_job_id_probability"),
            ({}, "ix_crops_probability"),
        ]
        for filters, index in cases:
            for sort in ("-probability", "probability"):
                wanted = CropFilter(**filters, sort=sort)
                for after in (None, cursor_of(sort, "crop_000500", 0.4)):
                    plan = plan_of(connection, wanted, after)

                    assert index in plan, plan
                    assert "Sort" not in plan, plan
                    assert "Seq Scan" not in plan, plan

    def test_bounds_are_part_of_the_search(self, connection: Connection) -> None:
        """A least probability narrows the index instead of filtering what comes out of it."""
        plan = plan_of(connection, CropFilter(sample="S-3", min_probability=0.9, sort="-probability"))

        assert "Filter" not in plan, plan

    def test_classifier_is_read_from_its_index(self, connection: Connection) -> None:
        """Asked for one classifier, the most suspicious of all are found without reading every prediction."""
        plan = plan_of(connection, CropFilter(classifier="c/1", sort="-probability"))

        assert "ix_predictions_classifier" in plan, plan
        assert "Seq Scan" not in plan, plan


class TestCursors:
    @given(
        st.sampled_from(["-probability", "probability"]),
        st.floats(0, 1),
        st.text("0123456789abcdefghjkmnpqrstvwxyz_", min_size=1, max_size=31),
    )
    def test_come_back(self, sort: CropSort, probability: float, crop_id: str) -> None:
        """The place of a crop survives as text, to the last bit of its probability."""
        assert (probability, crop_id) == _place(sort, cursor_of(sort, crop_id, probability))

    @pytest.mark.parametrize(
        "after",
        [
            "crop_1",
            "probability:0.5:crop_1",
            "-probability:x:crop_1",
            "-probability:nan:a",
            "-probability:0.5",
            "-probability:0.5:",
        ],
    )
    def test_of_other_lists_are_refused(self, after: str) -> None:
        """A cursor that was not made by this order is an error, never a silent start."""
        with pytest.raises(InvalidInputError, match="another list"):
            _place("-probability", after)

    def test_of_an_order_by_id_is_the_id(self) -> None:
        """Cursors that clients hold today stay good."""
        assert "crop_1" == cursor_of("id", "crop_1", None)
