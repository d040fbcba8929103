"""Job queries of whoever asks for work: add, read, list, cancel, retry. Workers use `leases`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, insert, select, tuple_, update
from sqlalchemy.orm import Session

from services.db.tables import JobItemRow, JobRow, JsonObject
from services.errors import InvalidInputError, NotFoundError
from services.jobs.due import WAITING_SINCE
from services.jobs.errors import JobNotCancellableError, JobNotRetryableError
from services.jobs.mapping import item_of, job_of
from services.jobs.types import Job, JobFilter, JobItem
from services.pagination import Page, PageRequest, make_page
from services.webhooks.outbox import announce

_POSITION_DIGITS = 9  # keeps the text of positions in their order, for cursors


class JobRepository:
    """Reads and changes jobs inside the caller's transaction; flushes, never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, row: JobRow, input_ids: Sequence[str]) -> Job:
        """Insert a queued job with one pending item per input."""
        self._session.add(row)
        self._session.flush()
        if input_ids:
            items = [
                {"job_id": row.id, "position": position, "input_id": input_id}
                for position, input_id in enumerate(input_ids)
            ]
            self._session.execute(insert(JobItemRow), items)
        return job_of(row)

    def get(self, job_id: str) -> Job:
        """Read a job.

        Raises
        ------
        NotFoundError
            There is none.
        """
        return job_of(self._row(job_id))

    def list(self, wanted: JobFilter, page: PageRequest) -> Page[Job]:
        """List jobs, oldest first."""
        query = select(JobRow).order_by(JobRow.id).limit(page.limit + 1)
        for column, value in (
            (JobRow.kind, wanted.kind),
            (JobRow.status, wanted.status),
            (JobRow.sample, wanted.sample),
            (JobRow.external_id, wanted.external_id),
        ):
            if value is not None:
                query = query.where(column == value)
        if page.after is not None:
            query = query.where(JobRow.id > page.after)
        jobs = [job_of(row) for row in self._session.scalars(query)]
        return make_page(jobs, page.limit, lambda job: job.id)

    def items(self, job_id: str, page: PageRequest) -> Page[JobItem]:
        """List a job's items in the order of its inputs; an unknown job has none."""
        query = (
            select(JobItemRow)
            .where(JobItemRow.job_id == job_id)
            .order_by(JobItemRow.position)
            .limit(page.limit + 1)
        )
        if page.after is not None:
            query = query.where(JobItemRow.position > _position_of(page.after))
        items = [item_of(row) for row in self._session.scalars(query)]
        return make_page(items, page.limit, lambda item: f"{item.position:0{_POSITION_DIGITS}d}")

    def queue_position(self, job: Job) -> int | None:
        """Count the queued jobs that come before this one, plus one; None unless it is queued."""
        if job.status != "queued":
            return None
        same_level = (JobRow.priority == job.priority) & (
            tuple_(WAITING_SINCE, JobRow.id) < (job.not_before or job.created_at, job.id)
        )
        ahead = select(func.count()).where(
            JobRow.status == "queued",
            JobRow.queue == job.queue,
            (JobRow.priority > job.priority) | same_level,
        )
        return (self._session.scalar(ahead.select_from(JobRow)) or 0) + 1

    def request_cancel(self, job_id: str) -> Job:
        """Cancel a queued job at once, or ask the worker of a running one to stop; repeating is harmless.

        Raises
        ------
        NotFoundError
            There is no such job.
        JobNotCancellableError
            It has ended in another way.
        """
        row = self._row(job_id, lock=True)
        if row.status == "queued":
            self._change(row, status="cancelled", finished_at=func.now())
            announce(self._session, row, "cancelled")
        elif row.status == "running":
            self._change(row, status="cancelling")
        elif row.status not in ("cancelling", "cancelled"):
            raise JobNotCancellableError(job_id, row.status)
        return job_of(row)

    def retry(self, job_id: str, budget: int, *, traceparent: str | None = None) -> Job:
        """Queue an ended job again with its failed and its unprocessed items; the others keep their results.

        Parameters
        ----------
        budget
            How many attempts in a row may bring nothing from now on.
        traceparent
            The span of the request for it, see `services.tracing`.

        Raises
        ------
        NotFoundError
            There is no such job.
        JobNotRetryableError
            It has not ended, was cancelled, or nothing of it failed.
        """
        row = self._row(job_id, lock=True)
        if row.status not in ("partial", "failed"):
            raise JobNotRetryableError(job_id, f"it is {row.status}, and only failed or partial ones can")
        failed = (JobItemRow.job_id == job_id) & (JobItemRow.status != "succeeded")
        self._session.execute(
            update(JobItemRow)
            .where(failed)
            .values(status="pending", error=None, outputs={}, started=0, finished_at=None)
        )
        recorded = select(func.count()).where(JobItemRow.job_id == job_id, JobItemRow.status != "pending")
        self._change(
            row,
            status="queued",
            error=None,
            finished_at=None,
            started_at=None,
            not_before=func.now(),
            dispatched_at=func.now(),
            max_attempts=row.attempt + budget,
            traceparent=traceparent,
            uncounted_since=func.now(),
            progress_done=recorded.scalar_subquery(),
            progress_message="",
        )
        return job_of(row)

    def lock(self, job_id: str) -> Job:
        """Read a job that nobody else may change until the transaction ends; raises `NotFoundError`."""
        return job_of(self._row(job_id, lock=True))

    def amend_result(self, job_id: str, changed: JsonObject) -> Job:
        """Replace members of a job's result; raises `NotFoundError`."""
        row = self._row(job_id, lock=True)
        self._change(row, result={**row.result, **changed})
        return job_of(row)

    def _change(self, row: JobRow, **values: Any) -> None:
        self._session.execute(update(JobRow).where(JobRow.id == row.id).values(**values))
        self._session.refresh(row)

    def _row(self, job_id: str, *, lock: bool = False) -> JobRow:
        row = self._session.get(
            JobRow, job_id, with_for_update=True if lock else None, populate_existing=True
        )
        if row is None:
            raise NotFoundError("job", job_id)
        return row


def _position_of(key: str) -> int:
    if len(key) != _POSITION_DIGITS or not key.isdecimal():
        raise InvalidInputError("The cursor belongs to another list.", "cursor")
    return int(key)
