"""Submitting work, watching it, stopping it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from client.answers import get, list_all, record_of
from client.errors import UnexpectedAnswerError
from client.records import Job, JobItem
from client.transport import Transport
from client.watching import JobWatch


class JobOperations:
    """Jobs of every kind."""

    transport: Transport

    def submit(self, kind: str, *, idempotency_key: str | None = None, **body: Any) -> Job:
        """Submit a job; `body` holds its parameters as the contract names them. None is left out.

        Kinds are ``segmentation``, ``classification``, ``scoring`` (both at once),
        ``generation``, ``filtering``, ``segmenter_training``, ``classifier_training``,
        ``generator_training``, ``filter_fitting``, ``study``, ``diagnostic``.
        With an `idempotency_key` of the caller's own, a program that was killed and started again gets
        the job that it had already submitted.
        """
        given = {name: value for name, value in body.items() if value is not None}
        answer = self.transport.json(
            "POST", "v1/jobs", json={"kind": kind, **given}, idempotency_key=idempotency_key
        )
        return record_of(self.transport, Job, answer)

    def job(self, job_id: str) -> Job:
        """One job as it is now."""
        return get(self.transport, Job, f"v1/jobs/{job_id}")

    def jobs(self, **filters: str | None) -> Iterator[Job]:
        """Jobs, oldest first; filters are `kind`, `status`, `sample`, `external_id`."""
        return list_all(self.transport, Job, "v1/jobs", **filters)

    def job_items(self, job_id: str) -> Iterator[JobItem]:
        """One row per input of a job."""
        return list_all(self.transport, JobItem, f"v1/jobs/{job_id}/items")

    def watch(self, job_id: str, *, timeout_s: float | None = None) -> JobWatch:
        """Iterate over the states of a job until it ends."""
        return JobWatch(self.transport, job_id, timeout_s=timeout_s)

    def wait(
        self, job_id: str, on_progress: Callable[[Job], None] | None = None, *, timeout_s: float | None = None
    ) -> Job:
        """Return the job once it has ended, however it ended.

        Raises
        ------
        WaitTimeoutError
            It had not ended after `timeout_s`; it goes on.
        """
        job: Job | None = None
        for job in self.watch(job_id, timeout_s=timeout_s):
            if on_progress is not None:
                on_progress(job)
        if job is None:
            raise UnexpectedAnswerError(self.transport.base_url, f"job {job_id} has no state")
        return job

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop; a running one stops between two batches of images."""
        return record_of(self.transport, Job, self.transport.json("POST", f"v1/jobs/{job_id}/cancel"))

    def retry(self, job_id: str) -> Job:
        """Run the failed items of a job again."""
        return record_of(self.transport, Job, self.transport.json("POST", f"v1/jobs/{job_id}/retry"))
