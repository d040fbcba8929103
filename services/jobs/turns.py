"""Whose turn it is: when a running job makes room for one that waits.

A job that makes room goes back to its queue as if its worker stopped: what it recorded is kept and it
costs no attempt. It does so for a job of higher priority once it has had a least turn, and for one of
its own priority once its time slice is used up. Never do more jobs make room than wait.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session

from services.config import Settings
from services.db.tables import JobRow
from services.jobs.due import CLAIMABLE, WAITING_SINCE, from_now
from services.jobs.kinds import KINDS
from services.jobs.types import Claim

# More jobs than this need not be counted: there are not so many workers on a queue.
MOST_COUNTED: Final = 1000
# From here on a job that brought nothing in turn after turn has weeks.
MOST_DOUBLINGS: Final = 16


@dataclass(frozen=True)
class TurnRules:
    """How long turns are, in seconds.

    Attributes
    ----------
    yield_after_s
        For how long a job must have waited: an idle worker would have taken it by then.
    min_turn_s
        A turn is never shorter, so that a stream of small jobs cannot stop all progress. It doubles
        with every turn in a row that brought nothing: a job with a long step gets through it.
    time_slice_s
        After this, jobs of the same priority that wait come first.
    """

    yield_after_s: float
    min_turn_s: float
    time_slice_s: float

    @classmethod
    def of(cls, settings: Settings) -> TurnRules:
        """Read the rules from the settings."""
        return cls(settings.yield_after_s, settings.min_turn_s, settings.time_slice_s)

    def least_turn_s(self, turns_lost: int) -> float:
        """Return the length of the shortest turn of a job whose last so many turns brought nothing."""
        return float(self.min_turn_s * 2 ** min(turns_lost, MOST_DOUBLINGS))


class TurnRepository:
    """Asks inside the caller's transaction; writes nothing."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def is_over(
        self, claim: Claim, rules: TurnRules, turn_s: float, kinds: Collection[str] = frozenset(KINDS)
    ) -> bool:
        """Whether a running job should make room now.

        Parameters
        ----------
        turn_s
            How long the present turn has lasted.
        kinds
            Kinds that the worker can run: for others there is no use in making room.
        """
        if turn_s < rules.least_turn_s(claim.turns_lost):
            return False  # without a question: most jobs never ask
        job = claim.job
        used_up = turn_s >= rules.time_slice_s
        waiting = (
            select(JobRow.id)
            .where(
                CLAIMABLE,
                JobRow.queue == job.queue,
                JobRow.priority >= job.priority if used_up else JobRow.priority > job.priority,
                from_now(-rules.yield_after_s) > WAITING_SINCE,
                JobRow.kind.in_(kinds),
            )
            .limit(MOST_COUNTED)
            .subquery()
        )
        num_waiting = select(func.count()).select_from(waiting).scalar_subquery()
        return bool(self._session.scalar(select(num_waiting > _before(claim, rules))))


def _before(claim: Claim, rules: TurnRules) -> ColumnElement[int]:
    """Count the workers that those who wait will get before this one's.

    Running jobs make room in the order of their priorities, the longest turn first. Jobs that are
    being cancelled, and jobs that have just gone back, free a worker without anybody's making room.
    """
    had_its_turn = JobRow.claimed_at < func.now() - func.make_interval(
        0, 0, 0, 0, 0, 0, rules.min_turn_s * func.power(2, func.least(JobRow.turns_lost, MOST_DOUBLINGS))
    )
    sooner = tuple_(JobRow.priority, JobRow.claimed_at, JobRow.id) < (
        claim.job.priority,
        claim.claimed_at,
        claim.job.id,
    )
    makes_room = (JobRow.status == "cancelling") | (JobRow.status == "running") & had_its_turn & sooner
    running = select(func.count()).where(
        JobRow.status.in_(("running", "cancelling")), JobRow.queue == claim.job.queue, makes_room
    )
    gone_back = select(func.count()).where(
        JobRow.status == "queued",
        JobRow.queue == claim.job.queue,
        JobRow.claimed_at.is_not(None),
        JobRow.not_before.between(from_now(-rules.yield_after_s), func.now()),
    )
    return running.scalar_subquery() + gone_back.scalar_subquery()
