"""How a job ends, decided from what became of its items."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.db.tables import JsonObject
from services.errors import Problem, problem_of
from services.jobs.errors import AllItemsFailedError, IncompleteRunError
from services.jobs.types import JobStatus


@dataclass(frozen=True)
class Outcome:
    """A job's end."""

    status: JobStatus
    error: Problem | None = None
    result: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class Tally:
    """What became of a job's items; `problems` has one example per error code of the failed ones."""

    pending: int
    succeeded: int
    failed: int
    problems: tuple[Problem, ...]


def outcome_of(job_id: str, tally: Tally, result: JsonObject) -> Outcome:
    """Decide the end of a job whose pipeline has returned.

    All items succeeded (or there are none): succeeded. Some failed: partial. All failed: failed,
    with their common problem if they have the same code. A pending item is our fault: failed.
    """
    if tally.pending:
        return Outcome("failed", problem_of(IncompleteRunError(job_id, tally.pending)), result)
    if not tally.failed:
        return Outcome("succeeded", None, result)
    if tally.succeeded:
        return Outcome("partial", None, result)
    if len(tally.problems) == 1:
        return Outcome("failed", tally.problems[0], result)
    codes = (problem["code"] for problem in tally.problems)
    return Outcome("failed", problem_of(AllItemsFailedError(codes)), result)
