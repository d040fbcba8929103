"""What can go wrong with a job: errors that are told to clients, and signals that end a run.

The signals are no `KaryobridgeError`, so that a pipeline which records an item's
`KaryobridgeError` can never take a cancelled job or a lost lease for a bad input.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.errors import ConflictError, InvalidInputError, KaryobridgeError, TransientError


class UnknownKindError(InvalidInputError):
    """No such kind of job."""

    code = "unknown_kind"
    title = "There is no such kind of job"

    def __init__(self, kind: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no job kind {kind!r}; use one of {', '.join(sorted(known))}.", "kind")


class PriorityRefusedError(InvalidInputError):
    """A kind of work that may not go before samples."""

    code = "priority_refused"
    title = "This kind of job cannot be urgent"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"A {kind} job cannot be urgent, only work on samples can; leave priority out, "
            "or use background.",
            "priority",
        )


class JobNotCancellableError(ConflictError):
    """The job has already ended."""

    def __init__(self, job_id: str, status: str) -> None:
        super().__init__(f"Job {job_id} has already ended ({status}); there is nothing to cancel.")


class JobNotRetryableError(ConflictError):
    """The job has not ended, was cancelled, or left nothing undone."""

    def __init__(self, job_id: str, reason: str) -> None:
        super().__init__(f"Job {job_id} cannot be retried: {reason}.")


class WorkerLostError(KaryobridgeError):
    """Worker after worker went silent with this job."""

    code = "worker_lost"
    title = "The workers that ran this job died"

    def __init__(self, job_id: str, attempt: int) -> None:
        super().__init__(
            f"{attempt} attempts at job {job_id} ended with a worker that died or went silent, usually for "
            "want of memory. What was recorded is kept; retry the job once the cause is removed."
        )


class ItemCrashedWorkerError(KaryobridgeError):
    """An input in whose processing workers died again and again."""

    code = "worker_crashed_on_item"
    title = "Workers died while processing this input"

    def __init__(self, started: int) -> None:
        super().__init__(
            f"{started} workers died while processing this input, so it is left out; the others are kept."
        )


class AllItemsFailedError(KaryobridgeError):
    """Every input failed, for more than one reason."""

    code = "all_items_failed"
    title = "Every input failed"

    def __init__(self, codes: Iterable[str]) -> None:
        super().__init__(f"Every input failed ({', '.join(sorted(codes))}); the items say why, one by one.")


class IncompleteRunError(KaryobridgeError):
    """A pipeline returned although inputs are pending; a fault of ours, never silently a success."""

    code = "internal_error"
    title = "The job ended before all inputs were processed"

    def __init__(self, job_id: str, pending: int) -> None:
        super().__init__(
            f"Job {job_id} ended with {pending} inputs unprocessed; quote this id, the log has more."
        )


class UnexpectedError(KaryobridgeError):
    """A fault of ours; the log has the traceback, the client gets the id to quote."""

    code = "internal_error"
    title = "The service failed"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Job {job_id} failed unexpectedly; quote this id, the log has the details.")


class DatabaseAwayError(TransientError):
    """The database did not answer for longer than a worker's patience."""

    code = "database_away"
    title = "The database is away"


class BrokerAwayError(TransientError):
    """The broker did not take a message or a question."""

    code = "broker_away"
    title = "The broker is away"


class JobInterruptedError(Exception):
    """Base of the signals that end a run from outside."""


class JobCancelledError(JobInterruptedError):
    """Somebody asked for the job's cancellation."""


class JobHandedBackError(JobInterruptedError):
    """The job goes back to its queue: the worker is stopping, and another one continues."""


class JobDisplacedError(JobHandedBackError):
    """The job goes back to its queue, because another one's turn has come."""


class LeaseLostError(JobInterruptedError):
    """The job is no longer ours: nothing of it may be written any more."""


class JobOvertimeError(JobInterruptedError):
    """The attempt ran longer than its kind may."""


class RunTimeLimitError(KaryobridgeError):
    """What a client is told of a `JobOvertimeError`."""

    code = "time_limit_exceeded"
    title = "The job ran for too long"

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"The job was stopped after {limit_s:.0f} s, the limit of its kind. What was recorded is kept; "
            "retry it, or submit smaller jobs."
        )
