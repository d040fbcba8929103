from __future__ import annotations

import pytest
from sqlalchemy import insert, text

from services.db.engine import SessionFactory
from services.db.tables import CropRow

JOBS = ("job_1", "job_2", "job_3")
CROPS = ("crop_a", "crop_b", "crop_c")


@pytest.fixture
def stored(sessions: SessionFactory) -> SessionFactory:
    """Three jobs and three crops."""
    with sessions.begin() as session:
        for job_id in JOBS:
            session.execute(
                text(
                    "INSERT INTO jobs (id, kind, params, inputs, artifacts, queue, max_attempts) "
                    "VALUES (:id, 'classification', '{}', '{}', '{}', 'gpu', 3)"
                ),
                {"id": job_id},
            )
        rows = [
            {
                "id": crop_id,
                "origin": "imported",
                "pack_key": "pack",
                "pack_index": index,
                "bbox": [0, 0, 1, 1],
                "area_px": 1,
                "flags": [],
            }
            for index, crop_id in enumerate(CROPS)
        ]
        session.execute(insert(CropRow), rows)
    return sessions
