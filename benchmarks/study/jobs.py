"""Jobs that a measurement needs: found again by their own reference, so that it goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from client.cli.output import count_progress, remark
from client.errors import ClientError
from client.http import Client
from client.records import Job

# What ended well, then what is still on its way; anything else is submitted anew.
FOUND = ("succeeded", "running", "queued")


class MeasurementError(ClientError):
    """The service did not do what the measurement needs."""

    code = "measurement_failed"


def reference_of(kind: str, body: dict[str, Any]) -> str:
    """Name a job by what it is told to do: equal parameters, equal reference."""
    told = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return f"benchmark-{kind}-{body['name']}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def finished(client: Client, kind: str, told: Callable[[Job], None], **body: Any) -> Job:
    """Return a job with these parameters that has succeeded: one of an earlier start, or a new one.

    Raises
    ------
    MeasurementError
        It ended otherwise; the message has its reason.
    """
    reference = reference_of(kind, body)
    known = (job for status in FOUND for job in client.jobs(external_id=reference, status=status))
    job = next(known, None) or client.submit(kind, external_id=reference, **body)
    return ended_well(client, job, told)


def ended_well(client: Client, job: Job, told: Callable[[Job], None]) -> Job:
    """Wait for a job, and refuse any other end than success; raises as `finished`."""
    job = client.wait(job.id, told)
    if job.status != "succeeded":
        reason = (job.error or {}).get("detail", "no reason was given")
        raise MeasurementError(f"Job {job.id} of kind {job.kind} ended as {job.status}: {reason}")
    return job


def results_of(client: Client, job: Job) -> dict[str, Any]:
    """Read ``results.json`` of a study that has ended."""
    path = f"v1/artifacts/study/{(job.result or {})['artifact']}/results.json"
    results: dict[str, Any] = client.transport.json("GET", path)
    return results


@contextmanager
def job_progress() -> Iterator[Callable[[Job], None]]:
    """Show the job that is waited for, where there is a terminal; each job is remarked once."""
    remarked: set[str] = set()
    with count_progress() as bar:
        task = bar.add_task("starting", total=None)

        def told(job: Job) -> None:
            if job.id not in remarked:
                remarked.add(job.id)
                remark(f"Job {job.id}, {job.kind} {job.params.get('name', '')}: {job.status}.")
            done, total = job.progress.done, job.progress.total or None
            bar.update(task, completed=done, total=total, description=f"{job.kind}: {job.progress.message}")

        yield told
