"""What a pipeline sees of its job: pending inputs, recording, progress, and when to stop."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Final, TypeVar

from opentelemetry.trace import INVALID_SPAN, Span
from sqlalchemy.orm import Session

from services import tracing
from services.db.tables import JsonObject
from services.errors import KaryobridgeError, Problem, TransientError, problem_of
from services.jobs.errors import (
    JobCancelledError,
    JobDisplacedError,
    JobHandedBackError,
    JobOvertimeError,
    LeaseLostError,
)
from services.jobs.keeper import LeaseKeeper
from services.jobs.kinds import KindSpec
from services.jobs.leases import LeaseRepository
from services.jobs.transactions import PatientTransactions
from services.jobs.types import Claim, ItemStatus, Job, JobItem, Progress

Answer = TypeVar("Answer")

PROGRESS_EVERY_S: Final = 0.5


class JobContext:
    """One attempt at one job. No transaction is open between its calls.

    A pipeline works through `pending`: `check`, `begin`, compute, then `record` or `fail`. It must
    take up where an earlier attempt stopped, and also return its result when nothing is pending,
    because a worker may die between the last recording and the job's end.

    Parameters
    ----------
    budget
        Attempts in a row that may bring nothing.
    stopping
        Whether this worker is shutting down.
    """

    def __init__(
        self,
        claim: Claim,
        spec: KindSpec,
        transactions: PatientTransactions,
        keeper: LeaseKeeper,
        *,
        budget: int,
        stopping: Callable[[], bool],
    ) -> None:
        self._claim = claim
        self._spec = spec
        self._transactions = transactions
        self._keeper = keeper
        self._budget = budget
        self._stopping = stopping
        self._begun: set[int] = set()
        self._spans: dict[int, Span] = {}
        self._recorded: dict[int, ItemStatus] = {}
        self._saved = False
        self._forget: Callable[[], None] = _nothing
        self._untold: Progress | None = None
        self._told_at = float("-inf")

    @property
    def job(self) -> Job:
        """The job as it was when it was claimed."""
        return self._claim.job

    @property
    def begun(self) -> frozenset[int]:
        """Positions that this attempt began and has not recorded."""
        return frozenset(self._begun)

    @property
    def recorded(self) -> Counter[str]:
        """How many items this attempt recorded, by status."""
        return Counter(self._recorded.values())

    @property
    def brought_something(self) -> bool:
        """Whether this attempt recorded an item or stored a checkpoint."""
        return self._saved or bool(self._recorded)

    def pending(self) -> list[JobItem]:
        """List the inputs that no attempt has recorded, in their order."""
        return [item for item in self._claim.pending if item.position not in self._recorded]

    def begin(self, item: JobItem) -> None:
        """Announce the work on an item, so that a crash can be blamed on it.

        Every item that is begun when a worker dies is a suspect, and fails for good after two such
        deaths; so begin an item when its turn comes, not before.

        Raises
        ------
        LeaseLostError
        """
        self._run(lambda leases: leases.begin(self._claim, item), durable=False)
        self._begun.add(item.position)
        # Below the attempt, beside what it computes: a pipeline may have begun several.
        self._spans[item.position] = tracing.begin("item", attributes={"karyobridge.input_id": item.input_id})

    def check(self) -> None:
        """Stop here if the job must not go on; cheap, call it between batches.

        Raises
        ------
        JobInterruptedError
            Lease lost, cancelled, out of time, or handed back because the worker is stopping or
            another job's turn has come: let it pass.
        """
        if self._keeper.state == "lost":
            raise LeaseLostError(self.job.id)
        if self._keeper.state == "cancelling":
            raise JobCancelledError(self.job.id)
        if self._keeper.overtime:
            raise JobOvertimeError(self.job.id)
        if self._stopping():
            raise JobHandedBackError(self.job.id)
        if self._keeper.makes_room():
            raise JobDisplacedError(self.job.id)

    def progress(self, done: int, total: int, unit: str, message: str = "") -> None:
        """Tell how far the job is; written at most every half second, and the last one always.

        For kinds whose progress is the number of recorded items only the message counts: what an
        earlier attempt recorded is done, whatever the present one has seen.
        """
        self._untold = Progress(done, total, unit, message)
        if time.monotonic() - self._told_at >= PROGRESS_EVERY_S:
            self.tell()

    def tell(self) -> None:
        """Write the progress that is not written yet."""
        untold, self._untold = self._untold, None
        if untold is not None:
            counts = not self._spec.progress_by_items
            self._run(lambda leases: leases.tell(self._claim, untold, counts=counts), durable=False)
            self._told_at = time.monotonic()

    def saved(self) -> None:
        """Tell that a checkpoint was stored, so that however often a worker dies, the job goes on.

        Raises
        ------
        LeaseLostError
        """
        self._run(lambda leases: leases.saved(self._claim, budget=self._budget), durable=False)
        self._saved = True

    def when_overtaken(self, forget: Callable[[], None]) -> None:
        """Say what removes all that this job keeps for its next attempt.

        The attempt that ends the job does so by itself. But a worker that stood still for longer than its
        lease may wake up later and keep something once more.
        """
        self._forget = forget

    def forget(self) -> None:
        """Remove what this job keeps for its next attempt, if there is anything."""
        self._forget()

    def record(
        self, item: JobItem, outputs: JsonObject, write: Callable[[Session], None] | None = None
    ) -> None:
        """Record an item's success together with the rows that `write` adds, in one transaction.

        Nothing happens if the item is recorded already. `write` may be called more than once, each
        time in a new transaction after the earlier one failed.

        Raises
        ------
        LeaseLostError
            Another worker has the job; nothing was written.
        """
        self._record(item, outputs, None, write)

    def fail(self, item: JobItem, error: KaryobridgeError) -> None:
        """Record an item's failure; the job goes on.

        A `TransientError` says nothing about the item. While attempts are left it is raised again,
        so that the whole job is retried later.

        Raises
        ------
        LeaseLostError
        TransientError
        """
        if isinstance(error, TransientError) and not self._last_attempt:
            raise error
        self._record(item, {}, problem_of(error), None)

    @property
    def _last_attempt(self) -> bool:
        # Whatever this attempt has recorded filled its budget up again.
        return self.job.attempt >= self.job.max_attempts and not self._recorded

    def _record(
        self,
        item: JobItem,
        outputs: JsonObject,
        error: Problem | None,
        write: Callable[[Session], None] | None,
    ) -> None:
        with tracing.span("record"):
            self._run(
                lambda leases: leases.record(
                    self._claim,
                    item.position,
                    outputs=outputs,
                    error=error,
                    budget=self._budget,
                    write=write,
                    count_progress=self._spec.progress_by_items,
                )
            )
        self._begun.discard(item.position)
        span = self._spans.pop(item.position, INVALID_SPAN)
        if error is not None:
            tracing.mark_failed(span, error["code"])
        span.end()
        self._recorded[item.position] = "succeeded" if error is None else "failed"

    def _run(self, work: Callable[[LeaseRepository], Answer], *, durable: bool = True) -> Answer:
        return self._transactions.run(lambda session: work(LeaseRepository(session)), durable=durable)


def _nothing() -> None:
    """What a kind does that keeps nothing but its items."""
