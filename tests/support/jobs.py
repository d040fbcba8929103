"""Running a job in the test's own process, through the same runner as a worker's."""

from __future__ import annotations

from collections.abc import Callable

from api.wiring import Wiring
from services.jobs.dispatch import NullDispatcher
from services.jobs.transactions import PatientTransactions
from services.jobs.types import Job
from services.pipelines.resources import ModelCache, Resources
from workers.runner import JobRunner, WorkerProcess

_CACHE = ModelCache(size=2)


def run_here(wiring: Wiring, job_id: str, stopping: Callable[[], bool] = lambda: False) -> Job:
    """Claim and run a job, and return it as it ended, or as a worker that was `stopping` left it."""
    resources = Resources(wiring.sessions, wiring.store, wiring.settings, _CACHE)
    transactions = PatientTransactions(wiring.sessions, wiring.sessions, wiring.settings.lease_s)
    process = WorkerProcess(name="test", stopping=stopping, end=lambda: None)
    JobRunner(resources, transactions, NullDispatcher(), process).run(job_id)
    return wiring.jobs.get(job_id)
