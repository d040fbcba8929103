from __future__ import annotations

import pytest
from sqlalchemy import text

from services.db.engine import SessionFactory

FEW = 1_000
MANY = 100_000


@pytest.fixture
def filtered(sessions: SessionFactory) -> SessionFactory:
    """A filtering job of a thousand synthetic crops of which none is kept, and a small other one."""
    return fill(sessions, FEW)


@pytest.fixture
def filtered_many(sessions: SessionFactory) -> SessionFactory:
    """The same with as many crops as a large generation makes."""
    return fill(sessions, MANY)


def fill(sessions: SessionFactory, number: int) -> SessionFactory:
    """Insert N crops and their scores.

    Crop number n needs level n / N, and lies at the percentile 100 n' / N, where n' counts from the far end.
    """
    with sessions.begin() as session:
        for job_id in ("job_maker", "job_a", "job_b"):
            session.execute(
                text(
                    "INSERT INTO jobs (id, kind, params, inputs, artifacts, queue, max_attempts) "
                    "VALUES (:id, 'filtering', '{}', '{}', '{}', 'gpu', 3)"
                ),
                {"id": job_id},
            )
        session.execute(
            text(
                "INSERT INTO crops (id, origin, pack_key, pack_index, bbox, area_px, flags) "
                "VALUES ('crop_source', 'imported', 'pack', 0, '[0, 0, 1, 1]', 1, '{}')"
            )
        )
        session.execute(
            text(
                "INSERT INTO crops (id, origin, source_crop_id, job_id, pack_key, pack_index, bbox, area_px, "
                "flags) SELECT 'crop_' || lpad(n::text, 6, '0'), 'generated', 'crop_source', 'job_maker', "
                "'pack', n, '[0, 0, 1, 1]', 1, '{}' FROM generate_series(0, :number - 1) AS n"
            ),
            {"number": number},
        )
        scores = text(
            "INSERT INTO filter_scores (crop_id, job_id, filter, x, y, component, mahalanobis2, "
            "needed_level, knn_distance, knn_percentile, kept, item_position) "
            "SELECT 'crop_' || lpad(n::text, 6, '0'), :job, 'f/1', 0, 0, 0, 1, "
            "n / (:number)::float8, 1, 100 * (:number - n) / (:number)::float8, false, "
            "n / 64 FROM generate_series(0, :rows - 1) AS n"
        )
        for job_id, rows in (("job_a", number), ("job_b", 10)):
            session.execute(scores, {"job": job_id, "number": number, "rows": rows})
    return sessions
