"""Values that describe a job; rows never leave the repositories."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from services.db.tables import JsonObject
from services.errors import Problem

JobStatus = Literal["queued", "running", "succeeded", "partial", "failed", "cancelling", "cancelled"]
ItemStatus = Literal["pending", "succeeded", "failed"]
QueueName = Literal["gpu", "cpu"]
LeaseState = Literal["held", "cancelling", "lost"]
PriorityName = Literal["urgent", "normal", "background"]

JOB_STATUSES: tuple[JobStatus, ...] = get_args(JobStatus)
TERMINAL_STATUSES: frozenset[JobStatus] = frozenset({"succeeded", "partial", "failed", "cancelled"})


@dataclass(frozen=True)
class Progress:
    """How far a job is: `done` of `total`, counted in `unit`; `total` 0 means not known yet."""

    done: int
    total: int
    unit: str
    message: str


@dataclass(frozen=True)
class Job:
    """A job as it was when it was read.

    Attributes
    ----------
    inputs, params, artifacts
        What was asked for. `artifacts` maps a role to an exact ``name/version``.
    attempt
        How often a worker has claimed the job, over its whole life.
    max_attempts
        The attempt after which it is not tried again. It moves on, always to `attempt` plus the
        kind's budget, whenever an item is recorded and when a person retries the job; so the budget
        counts attempts in a row that brought nothing, and no history is rewritten.
    started_at
        Start of the first attempt since submission or since a person's retry.
    traceparent
        The span that asked for it, as W3C writes it, if requests are traced.
    not_before
        Since when, or from when, the job waits, if that is not its creation.
    """

    id: str
    kind: str
    status: JobStatus
    params: JsonObject
    inputs: JsonObject
    artifacts: dict[str, str]
    sample: str | None
    external_id: str | None
    request_id: str | None
    traceparent: str | None
    queue: str
    priority: int
    attempt: int
    max_attempts: int
    not_before: datetime | None
    progress: Progress
    error: Problem | None
    result: JsonObject
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended (a person may still retry it)."""
        return self.status in TERMINAL_STATUSES


@dataclass(frozen=True)
class JobItem:
    """One input of a job; `started` counts the unfinished attempts at it that nobody handed back."""

    job_id: str
    position: int
    input_id: str
    status: ItemStatus
    error: Problem | None
    outputs: JsonObject
    started: int
    finished_at: datetime | None


@dataclass(frozen=True)
class Claim:
    """A worker's hold on a job: whoever knows `token` may write, until another has claimed it.

    Attributes
    ----------
    pending
        The inputs that no earlier attempt has recorded, in their order.
    claimed_at
        When this turn began, by the database's clock.
    turns_lost
        How many turns before this one, in a row, ended for another job and brought nothing.
    """

    job: Job
    token: str
    waited_s: float
    pending: tuple[JobItem, ...]
    claimed_at: datetime
    turns_lost: int


@dataclass(frozen=True)
class JobFilter:
    """Which jobs to list; None does not filter."""

    kind: str | None = None
    status: JobStatus | None = None
    sample: str | None = None
    external_id: str | None = None
