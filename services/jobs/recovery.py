"""Queries of the sweep: leases that ran out, and queued jobs that no message stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from services.db.tables import IdempotencyKeyRow, JobItemRow, JobRow
from services.errors import problem_of
from services.jobs.due import CLAIMABLE, WAITING_SINCE, backoff_delay_s, from_now
from services.jobs.errors import ItemCrashedWorkerError, WorkerLostError
from services.jobs.kinds import KINDS
from services.jobs.types import TERMINAL_STATUSES, JobStatus
from services.webhooks.outbox import announce

MAX_PER_SWEEP: Final = 500
DEATHS_PER_ITEM: Final = 2


@dataclass(frozen=True)
class Unsent:
    """A queued job whose id ought to be sent; `traceparent` as in `Job`."""

    job_id: str
    kind: str
    queue: str
    priority: int
    traceparent: str | None


class RecoveryRepository:
    """Works inside the caller's transaction; rows that another sweep has locked are passed over."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def take_back(self, budget_of: Callable[[str], int], backoff_s: float) -> Counter[str]:
        """Take expired leases away from workers that went silent.

        An item in which two workers died is failed, and that is progress: the rest of the job gets
        a full budget again. A job without such an item fails when its budget is used up.

        Returns
        -------
        Counter
            How many jobs became ``queued``, ``failed`` and ``cancelled``, and how many
            ``crashed_items`` were given up.
        """
        counts: Counter[str] = Counter()
        expired = (
            select(JobRow)
            .where(JobRow.status.in_(("running", "cancelling")), JobRow.lease_expires_at < func.now())
            .limit(MAX_PER_SWEEP)
            # Rows that refer to the job, which its late worker may be writing, need not keep us from it.
            .with_for_update(skip_locked=True, key_share=True)
        )
        for row in self._session.scalars(expired).all():
            if row.status == "cancelling":
                counts[self._end(row, "cancelled", finished_at=func.now())] += 1
                continue
            budget = budget_of(row.kind)
            counts["crashed_items"] += self._fail_suspects(row, budget)
            counts[self._requeue_or_fail(row, budget, backoff_s)] += 1
        return counts

    def due_queues(self) -> dict[str, int]:
        """Count the queued and due jobs of each queue."""
        rows = self._session.execute(
            select(JobRow.queue, func.count().label("number")).where(CLAIMABLE).group_by(JobRow.queue)
        )
        return {row.queue: row.number for row in rows}

    def take_unsent(self, queue: str, *, older_than_s: float | None) -> list[Unsent]:
        """Mark queued jobs as sent and return them, the most urgent first.

        Parameters
        ----------
        older_than_s
            Also those whose id was sent longer ago than this; None: only those never sent.
        """
        stale: ColumnElement[bool] = JobRow.dispatched_at.is_(None)
        if older_than_s is not None:
            stale |= JobRow.dispatched_at < from_now(-older_than_s)
        rows = self._session.scalars(
            select(JobRow)
            .where(CLAIMABLE, JobRow.queue == queue, stale)
            .order_by(JobRow.priority.desc(), WAITING_SINCE, JobRow.id)
            .limit(MAX_PER_SWEEP)
            .with_for_update(skip_locked=True)
        ).all()
        unsent = [Unsent(row.id, row.kind, row.queue, row.priority, row.traceparent) for row in rows]
        self._session.execute(
            update(JobRow)
            .where(JobRow.id.in_([one.job_id for one in unsent]))
            .values(dispatched_at=func.now())
            .execution_options(synchronize_session=False)
        )
        return unsent

    def purge_idempotency_keys(self, older_than_s: float) -> int:
        """Forget answers that no client may ask for again; returns how many."""
        purged = self._session.execute(
            delete(IdempotencyKeyRow)
            .where(IdempotencyKeyRow.created_at < from_now(-older_than_s))
            .returning(IdempotencyKeyRow.key)
        )
        return len(purged.all())

    def _fail_suspects(self, row: JobRow, budget: int) -> int:
        """Give up the items of a job that keep killing workers; returns how many."""
        suspects = self._session.scalars(
            select(JobItemRow).where(
                JobItemRow.job_id == row.id,
                JobItemRow.status == "pending",
                JobItemRow.started >= DEATHS_PER_ITEM,
            )
        ).all()
        for item in suspects:
            error = problem_of(ItemCrashedWorkerError(item.started))
            self._session.execute(
                update(JobItemRow)
                .where(JobItemRow.job_id == row.id, JobItemRow.position == item.position)
                .values(status="failed", finished_at=func.now(), error=error)
            )
        if suspects:
            row.max_attempts = max(row.max_attempts, row.attempt + budget)
            if row.kind in KINDS and KINDS[row.kind].progress_by_items:
                row.progress_done += len(suspects)
        return len(suspects)

    def _requeue_or_fail(self, row: JobRow, budget: int, backoff_s: float) -> JobStatus:
        if row.attempt >= row.max_attempts:
            error = problem_of(WorkerLostError(row.id, budget))
            return self._end(row, "failed", finished_at=func.now(), error=error)
        delay_s = backoff_delay_s(row.attempt, row.max_attempts, budget, backoff_s)
        return self._end(row, "queued", not_before=from_now(delay_s), dispatched_at=None)

    def _end(self, row: JobRow, status: JobStatus, **values: Any) -> JobStatus:
        self._session.execute(
            update(JobRow)
            .where(JobRow.id == row.id)
            .values(status=status, lease_token=None, lease_expires_at=None, worker=None, **values)
            .execution_options(synchronize_session=False)
        )
        if status in TERMINAL_STATUSES:
            announce(self._session, row, status)
        return status
