"""A thousand queued jobs, drained by two workers."""

from __future__ import annotations

import time

from sqlalchemy import func, select

from benchmarks.load.installation import Installation, installed, wait_until
from services.db.tables import JobRow

WITHIN_S = 1200.0


def measure(number: int, workers: int) -> dict[str, object]:
    """Submit over HTTP, then start the workers, and wait until nothing is left."""
    with installed() as installation:
        start = time.perf_counter()
        with installation.client() as client:
            for _ in range(number):
                client.post("/v1/jobs", json={"kind": "diagnostic"}).raise_for_status()
        submitting_s = time.perf_counter() - start
        for _ in range(workers):
            installation.worker()
        wait_until(lambda: _ended(installation) > 0, WITHIN_S, "the first job has ended")
        start, before = time.perf_counter(), _ended(installation)
        wait_until(lambda: _ended(installation) == number, WITHIN_S, "all jobs have ended")
        draining_s = time.perf_counter() - start
        with installation.sessions() as session:
            attempts = session.scalar(select(func.max(JobRow.attempt)))
        return {
            "jobs": number,
            "workers": workers,
            "submitted_per_s": round(number / submitting_s, 1),
            "drained_per_s": round((number - before) / draining_s, 1),
            "most_attempts": attempts,
            "left": number - _ended(installation),
        }


def _ended(installation: Installation) -> int:
    query = select(func.count()).select_from(JobRow).where(JobRow.status == "succeeded")
    with installation.sessions() as session:
        return session.scalar(query) or 0
