"""The tasks, as Celery sees them. All they carry is an id, and all they return is for the log."""

from __future__ import annotations

from typing import Final

from celery import shared_task

from services.jobs.celery_dispatch import RUN_JOB, SWEEP
from services.jobs.sweep import sweep
from workers import lifecycle

# By name: a child, which never receives a message, need not import it.
REQUEST: Final = "workers.requests:AttentiveRequest"


@shared_task(name=RUN_JOB, Request=REQUEST)  # type: ignore[untyped-decorator] # Celery has no types
def run_job(job_id: str) -> str:
    """Run a job if it is queued and due; a duplicate or late message does nothing."""
    try:
        return lifecycle.runner().run(job_id)
    finally:
        lifecycle.stop_wish().forget()


@shared_task(name=SWEEP, Request=REQUEST)  # type: ignore[untyped-decorator] # Celery has no types
def run_sweep() -> None:
    """Sweep once, for those who prefer their own scheduler to `workers.sweeper`."""
    runner = lifecycle.runner()
    sweep(runner.resources.session_factory, runner.dispatcher, runner.resources.settings)
