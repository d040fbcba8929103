"""How a worker holds a job: claim, renew, record, finish, release; each one short transaction.

A lease is a random token in the job's row, and a time by the database's clock. Every write of a
worker compares the token, in a statement that also locks the row. So a worker that was frozen until
another one took its job over can write nothing, however late it wakes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from services.db.tables import JobItemRow, JobRow, JsonObject
from services.errors import Problem
from services.jobs.due import CLAIMABLE, backoff_delay_s, from_now
from services.jobs.errors import LeaseLostError
from services.jobs.kinds import KINDS
from services.jobs.mapping import item_of, job_of
from services.jobs.outcome import Outcome, Tally
from services.jobs.types import TERMINAL_STATUSES, Claim, JobItem, JobStatus, LeaseState, Progress
from services.webhooks.outbox import announce


class LeaseRepository:
    """A worker's writes to jobs inside the caller's transaction; flushes, never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def claim(
        self, job_id: str, worker: str, lease_s: float, kinds: Collection[str] = frozenset(KINDS)
    ) -> Claim | None:
        """Take a queued and due job; None if it is not, or somebody else was faster.

        One conditional update decides, so of any number of workers exactly one gets the job. A job
        whose kind is not among `kinds` is left for a worker of a newer release. The items that are
        pending now can only be changed by whoever holds the claim, so they are read once, here.
        """
        token = secrets.token_hex(16)
        waited_s = func.extract("epoch", func.now() - func.coalesce(JobRow.not_before, JobRow.created_at))
        found = self._session.execute(
            update(JobRow)
            .where(JobRow.id == job_id, CLAIMABLE, JobRow.kind.in_(kinds))
            .values(
                status="running",
                lease_token=token,
                lease_expires_at=from_now(lease_s),
                worker=worker,
                attempt=JobRow.attempt + 1,
                claimed_at=func.now(),
                started_at=func.coalesce(JobRow.started_at, func.now()),
                error=None,
            )
            .returning(JobRow, waited_s)
            .execution_options(populate_existing=True)
        ).one_or_none()
        if found is None:
            return None
        row: JobRow = found[0]
        return Claim(
            job=job_of(row),
            token=token,
            waited_s=float(found[1]),
            pending=self._pending(job_id),
            claimed_at=cast("datetime", row.claimed_at),
            turns_lost=row.turns_lost,
        )

    def renew(self, claim: Claim, lease_s: float) -> LeaseState:
        """Move the lease's end on, and learn whether it is still ours and whether to stop."""
        status = self._session.scalar(
            update(JobRow)
            .where(JobRow.id == claim.job.id, JobRow.lease_token == claim.token)
            .values(lease_expires_at=from_now(lease_s))
            .returning(JobRow.status)
            .execution_options(synchronize_session=False)
        )
        if status is None:
            return "lost"
        return "cancelling" if status == "cancelling" else "held"

    def begin(self, claim: Claim, item: JobItem) -> None:
        """Note that a pending item is begun: if this worker dies now, the item is a suspect.

        Raises
        ------
        LeaseLostError
            The job is no longer ours; so for every method below.
        """
        begun = self._session.execute(
            update(JobItemRow)
            .where(
                *_pending_item(claim, item.position),
                JobRow.id == JobItemRow.job_id,
                JobRow.lease_token == claim.token,
            )
            # Counted from what the claim saw, so that a repetition after a lost connection counts once.
            .values(started=item.started + 1)
            .returning(JobItemRow.position)
            .execution_options(synchronize_session=False)
        ).first()
        if begun is None:
            raise LeaseLostError(claim.job.id)

    def record(
        self,
        claim: Claim,
        position: int,
        *,
        outputs: JsonObject,
        error: Problem | None,
        budget: int,
        write: Callable[[Session], None] | None = None,
        count_progress: bool = True,
    ) -> bool:
        """Record an item's outcome once, together with whatever `write` adds; False if it was before.

        Recording is progress: the job's budget of fruitless attempts is filled up again.
        """
        unrecorded = select(func.count()).where(*_pending_item(claim, position)).scalar_subquery()
        self._change(
            claim,
            max_attempts=func.greatest(JobRow.max_attempts, JobRow.attempt + budget),
            progress_done=JobRow.progress_done + (unrecorded if count_progress else 0),
        )
        status = "succeeded" if error is None else "failed"
        changed = self._update_item(
            claim, position, status=status, outputs=outputs, error=error, finished_at=func.now()
        )
        if changed and write is not None:
            write(self._session)
        return changed

    def tell(self, claim: Claim, progress: Progress, *, counts: bool) -> None:
        """Write the progress; without `counts` only its message, because recording does the counting."""
        values: dict[str, Any] = {"progress_message": progress.message}
        if counts:
            values |= {
                "progress_done": progress.done,
                "progress_total": progress.total,
                "progress_unit": progress.unit,
            }
        self._change(claim, **values)

    def saved(self, claim: Claim, *, budget: int) -> None:
        """Note that this attempt kept something: attempts that bring nothing are counted anew."""
        self._change(claim, max_attempts=func.greatest(JobRow.max_attempts, JobRow.attempt + budget))

    def finish(self, claim: Claim, decide: Callable[[Tally], Outcome]) -> Outcome:
        """End the job as `decide` says of its items, which nobody else can change meanwhile."""
        outcome = decide(self._tally(claim.job.id))
        self._end(
            claim,
            status=outcome.status,
            error=outcome.error,
            result=outcome.result,
            finished_at=func.now(),
        )
        return outcome

    def hand_back(self, claim: Claim, begun: Collection[int], *, turns_lost: int = 0) -> JobStatus:
        """Queue the job again because its worker stops or another job's turn has come.

        It costs nothing of the budget, and the job goes behind those that wait with its priority.

        Parameters
        ----------
        begun
            Positions that this attempt began and did not record: its worker lives, so they are no
            suspects.
        turns_lost
            How many turns in a row, this one included, ended for another job and brought nothing.

        Returns
        -------
        JobStatus
            ``queued``, or ``cancelled`` if that was asked for meanwhile.
        """
        row = self._lock(claim)
        self._clear_suspicion(claim, begun)
        if row.status == "cancelling":
            return self._end(claim, status="cancelled", finished_at=func.now())
        return self._end(
            claim,
            status="queued",
            not_before=func.now(),
            dispatched_at=func.now(),
            max_attempts=row.max_attempts + 1,
            turns_lost=turns_lost,
        )

    def retry(
        self, claim: Claim, begun: Collection[int], error: Problem, *, budget: int, backoff_s: float
    ) -> JobStatus:
        """Queue the job again after a passing fault, with back-off; without attempts left it fails.

        Returns
        -------
        JobStatus
            ``queued``, ``failed``, or ``cancelled`` if that was asked for meanwhile.
        """
        row = self._lock(claim)
        self._clear_suspicion(claim, begun)
        if row.status == "cancelling":
            return self._end(claim, status="cancelled", finished_at=func.now())
        if row.attempt >= row.max_attempts:
            return self._end(claim, status="failed", error=error, finished_at=func.now())
        delay_s = backoff_delay_s(row.attempt, row.max_attempts, budget, backoff_s)
        # The sweep sends the job when its time has come: no broker has to keep it so long.
        return self._end(
            claim, status="queued", error=error, not_before=from_now(delay_s), dispatched_at=None
        )

    def _tally(self, job_id: str) -> Tally:
        code = JobItemRow.error["code"].astext
        groups = self._session.execute(
            select(JobItemRow.status, code, func.count(), func.min(JobItemRow.position))
            .where(JobItemRow.job_id == job_id)
            .group_by(JobItemRow.status, code)
        ).all()
        counts = {"pending": 0, "succeeded": 0, "failed": 0}
        for status, _, number, _ in groups:
            counts[status] += number
        examples = [position for status, _, _, position in groups if status == "failed"]
        problems: list[Problem] = []
        if examples:
            found = self._session.scalars(
                select(JobItemRow.error).where(JobItemRow.job_id == job_id, JobItemRow.position.in_(examples))
            )
            problems = [cast("Problem", error) for error in found]
        return Tally(counts["pending"], counts["succeeded"], counts["failed"], tuple(problems))

    def _pending(self, job_id: str) -> tuple[JobItem, ...]:
        query = (
            select(JobItemRow)
            .where(JobItemRow.job_id == job_id, JobItemRow.status == "pending")
            .order_by(JobItemRow.position)
        )
        return tuple(item_of(row) for row in self._session.scalars(query))

    def _end(self, claim: Claim, *, status: JobStatus, **values: Any) -> JobStatus:
        self._change(claim, status=status, lease_token=None, lease_expires_at=None, worker=None, **values)
        if status in TERMINAL_STATUSES:
            announce(self._session, claim.job, status)
        return status

    def _change(self, claim: Claim, **values: Any) -> None:
        """Update, and thereby lock, the job's row if it is still ours."""
        ours = self._session.execute(
            update(JobRow)
            .where(JobRow.id == claim.job.id, JobRow.lease_token == claim.token)
            .values(**values)
            .returning(JobRow.id)
            .execution_options(synchronize_session=False)
        ).first()
        if ours is None:
            raise LeaseLostError(claim.job.id)

    def _clear_suspicion(self, claim: Claim, positions: Collection[int]) -> None:
        for position in positions:
            self._update_item(claim, position, started=func.greatest(JobItemRow.started - 1, 0))

    def _lock(self, claim: Claim) -> JobRow:
        row = self._session.scalar(
            select(JobRow)
            .where(JobRow.id == claim.job.id, JobRow.lease_token == claim.token)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if row is None:
            raise LeaseLostError(claim.job.id)
        return row

    def _update_item(self, claim: Claim, position: int, **values: Any) -> bool:
        changed = self._session.execute(
            update(JobItemRow)
            .where(*_pending_item(claim, position))
            .values(**values)
            .returning(JobItemRow.position)
            .execution_options(synchronize_session=False)
        ).first()
        return changed is not None


def _pending_item(claim: Claim, position: int) -> tuple[ColumnElement[bool], ...]:
    return (
        JobItemRow.job_id == claim.job.id,
        JobItemRow.position == position,
        JobItemRow.status == "pending",
    )
