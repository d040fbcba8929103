"""Whether work gets through: what waits, and a diagnostic job on every queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Final, TypeVar

from sqlalchemy import Engine, text

from services.db.engine import session_factory
from services.doctor.findings import Finding, fail, ok, skipped, warn
from services.doctor.installation import Installation
from services.errors import ConflictError
from services.jobs.celery_dispatch import CeleryDispatcher
from services.jobs.service import JobService
from services.jobs.types import Job

POLL_S: Final = 0.1
OLD_S: Final = 3600
EXTERNAL_ID: Final = "doctor"

_START_SWEEPER: Final = (
    "Start `python -m workers.sweeper`: without it, jobs of dead workers and lost messages wait for ever."
)

Answer = TypeVar("Answer")


def check_waiting(installation: Installation) -> Iterator[Finding]:
    """Look at what waits, and at what nobody picks up."""
    grace_s = 3 * installation.settings.sweep_interval_s + 10
    with installation.connection() as connection:
        row = connection.execute(
            text(
                "SELECT count(*) FILTER (WHERE status = 'queued') AS queued, "
                "count(*) FILTER (WHERE status <> 'queued') AS running, "
                "coalesce(extract(epoch FROM now() - min(coalesce(not_before, created_at)) "
                "FILTER (WHERE status = 'queued')), 0) AS oldest_s, "
                "count(*) FILTER (WHERE lease_expires_at < now() - make_interval(secs => :grace)) AS silent "
                "FROM jobs WHERE status IN ('queued', 'running', 'cancelling')"
            ),
            {"grace": grace_s},
        ).one()
    seen = f"{row.queued} queued, {row.running} running"
    if row.silent:
        yield fail("jobs", f"{seen}; {row.silent} with a dead worker and not taken back", _START_SWEEPER)
    elif row.oldest_s > OLD_S:
        yield warn(
            "jobs",
            f"{seen}; the oldest has been waiting for {row.oldest_s / 3600:.1f} h",
            "Start more workers, or see below whether any takes jobs from its queue.",
        )
    else:
        yield ok("jobs", seen)


def check_workers(installation: Installation) -> Iterator[Finding]:
    """Send a diagnostic job through each queue, and see that the sweep notices its end."""
    settings = installation.settings
    if not installation.run_jobs:
        yield skipped("workers", "no job was sent (--no-job), so nobody knows whether they take any")
        return
    ended: Job | None = None
    with installation.engine() as engine:
        for queue in dict.fromkeys((settings.gpu_queue, settings.cpu_queue)):
            job, finding = _try_queue(installation, engine, queue)
            ended = job or ended
            yield finding
        if ended is not None:
            yield _judge_sweeper(installation, engine, ended)


def _try_queue(installation: Installation, engine: Engine, queue: str) -> tuple[Job | None, Finding]:
    """Return the job if it succeeded, and what is to be said of the queue's workers."""
    # Diagnostic jobs go to the queue for CPUs; for this one, that is the queue to be tried.
    settings = installation.settings.model_copy(update={"cpu_queue": queue})
    name = f"workers of {queue}"
    with closing(CeleryDispatcher(installation.broker_url)) as dispatcher:
        jobs = JobService(session_factory(engine), dispatcher, settings)
        started = time.monotonic()
        job = jobs.submit("diagnostic", {}, external_id=EXTERNAL_ID)
        ended = _eventually(lambda: _ended(jobs.get(job.id)), installation.job_within_s)
        if ended is None:
            _cancel(jobs, job)
            return None, _judge_silence(engine, queue, name, installation.job_within_s)
    if ended.status != "succeeded":
        error: dict[str, Any] = dict(ended.error or {})
        reason = error.get("detail") or ended.status
        return None, fail(
            name, f"a diagnostic job failed: {reason}", "Look at the worker's log for this job."
        )
    return ended, ok(name, f"a diagnostic job took {time.monotonic() - started:.1f} s")


def _judge_silence(engine: Engine, queue: str, name: str, within_s: float) -> Finding:
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM jobs WHERE queue = :queue AND status IN ('running', 'cancelling')")
        running = connection.scalar(query, {"queue": queue}) or 0
    if running:
        return warn(
            name,
            f"busy with {running} jobs; a diagnostic one did not begin within {within_s:g} s",
            "Try again with a larger --job-within, or start more workers.",
        )
    return fail(
        name,
        f"none took a diagnostic job within {within_s:g} s",
        f"Start `python -m workers --queues {queue}` with the same DATABASE_URL, BROKER_URL and queue names.",
    )


def _judge_sweeper(installation: Installation, engine: Engine, ended: Job) -> Finding:
    """The sweep counts every job that has ended; that it has counted ours shows that it runs."""
    within_s = 3 * installation.settings.sweep_interval_s + 5
    query = text("SELECT uncounted_since IS NULL FROM jobs WHERE id = :id")

    def counted() -> bool | None:
        with engine.connect() as connection:
            return connection.scalar(query, {"id": ended.id}) or None

    if _eventually(counted, within_s):
        return ok("sweeper", "it has seen the diagnostic job end")
    return fail(
        "sweeper", f"it did not notice the diagnostic job's end within {within_s:g} s", _START_SWEEPER
    )


def _ended(job: Job) -> Job | None:
    return job if job.is_terminal else None


def _cancel(jobs: JobService, job: Job) -> None:
    try:
        jobs.cancel(job.id)
    except ConflictError:
        return  # it ended at the last moment


def _eventually(probe: Callable[[], Answer | None], within_s: float) -> Answer | None:
    deadline = time.monotonic() + within_s
    while (answer := probe()) is None and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return answer
