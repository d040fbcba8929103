"""The same queue for real: diagnostic jobs of known length, real workers, real waits."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from benchmarks.capacity.queueing import Load, Workers, arrivals
from services.db.engine import make_engine, session_factory
from services.db.migrate import upgrade
from services.db.tables import JobRow
from services.embedded.postgres import EmbeddedPostgres
from tests.support.fleet import hasty_fleet


def measured(load: Load, workers: Workers, duration_s: float, seed: int) -> tuple[NDArray[np.float64], float]:
    """Submit jobs as the simulation draws them, in real time.

    Returns
    -------
    ndarray
        Seconds from each job's submission to its start, in the order of arrival.
    float
        Seconds that a job took beside its items, the mean.
    """
    moments, sizes = arrivals(load, duration_s, np.random.default_rng(seed))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with EmbeddedPostgres(folder / "data") as postgres:
            engine = make_engine(postgres.url)
            upgrade(engine)
            sessions = session_factory(engine)
            with hasty_fleet(postgres.url, sessions, folder) as fleet:
                for worker in [fleet.worker(ready=False) for _ in range(workers.number)]:
                    fleet.wait_ready(worker)
                # The first job of a process connects it.
                warm = [fleet.submit(items=1) for _ in range(4 * workers.number)]
                for job in warm:
                    fleet.wait(job, "succeeded")
                start = time.monotonic()
                jobs = []
                for moment, size in zip(moments, sizes, strict=True):
                    time.sleep(max(start + moment - time.monotonic(), 0.0))
                    jobs.append(fleet.submit(items=int(size), seconds_per_item=workers.image_s))
                for job in jobs:
                    fleet.wait(job, "succeeded")
                wait = func.extract("epoch", JobRow.started_at - JobRow.created_at)
                run = func.extract("epoch", JobRow.finished_at - JobRow.started_at)
                with sessions() as session:
                    rows = {
                        row[0]: (float(row[1]), float(row[2]))
                        for row in session.execute(select(JobRow.id, wait, run))
                    }
            engine.dispose()
    waits = np.array([rows[job.id][0] for job in jobs])
    runs = np.array([rows[job.id][1] for job in jobs])
    return waits, float(np.mean(runs - sizes * workers.image_s))
