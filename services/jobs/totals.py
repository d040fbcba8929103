"""What became of all jobs ever, as sums that cost little to read and never go down.

Rows of ended jobs are changed once more, by the sweep: it adds them to `JobTotalsRow` and notes in
`uncounted_since` that it has. A reader adds what the sweep has not reached yet, so the figures are right at
any time, in one snapshot of the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ARRAY, ColumnElement, Select, Text, any_, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.db.tables import JobItemRow, JobRow, JobTotalsRow

MAX_PER_SWEEP: Final = 2_000
SUMS: Final = ("jobs", "started", "drift_warned", "items_succeeded", "items_failed", "waited_s", "ran_s")
UNFINISHED: Final = ("queued", "running", "cancelling")

# What the partial index `ix_jobs_uncounted` holds.
_ENDED: Final = JobRow.finished_at.is_not(None) & JobRow.uncounted_since.is_not(None)


@dataclass(frozen=True)
class Total:
    """What became of the jobs of one kind that ended in one way.

    Attributes
    ----------
    waited_s
        From being due to the first start, over the `started` ones.
    ran_s
        From the first start to the end, over the same.
    """

    kind: str
    outcome: str
    jobs: int
    started: int
    drift_warned: int
    waited_s: float
    ran_s: float


class TotalsRepository:
    """Reads and extends the sums inside the caller's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def count_ended(self, limit: int = MAX_PER_SWEEP) -> int:
        """Add jobs that have ended to the sums, each end of each job once; returns how many.

        Jobs that another sweep is counting are passed over.
        """
        ended = select(JobRow.id).where(_ENDED).order_by(JobRow.finished_at).limit(limit)
        ids = self._session.scalars(ended.with_for_update(skip_locked=True)).all()
        if not ids:
            return 0
        chosen = JobRow.id == any_(literal(ids, ARRAY(Text)))
        sums = {(row.kind, row.outcome): row._asdict() for row in self._session.execute(_sums(chosen))}
        for row in self._session.execute(_items(chosen)):
            sums[row.kind, row.job_status][f"items_{row.status}"] = row.number
        for values in sums.values():
            self._add(values)
        self._session.execute(
            update(JobRow)
            .where(chosen)
            .values(uncounted_since=None)
            .execution_options(synchronize_session=False)
        )
        return len(ids)

    def totals(self) -> list[Total]:
        """List the sums by kind and outcome, those included that no sweep has counted yet."""
        names = ("jobs", "started", "drift_warned", "waited_s", "ran_s")
        kept = select(
            JobTotalsRow.kind, JobTotalsRow.outcome, *(getattr(JobTotalsRow, name) for name in names)
        )
        both = kept.union_all(_sums(_ENDED)).subquery()
        sums = (func.sum(both.c[name]).label(name) for name in names)
        rows = self._session.execute(select(both.c.kind, both.c.outcome, *sums).group_by(*both.c[:2]))
        return [
            Total(
                kind=row.kind,
                outcome=row.outcome,
                jobs=int(row.jobs),
                started=int(row.started),
                drift_warned=int(row.drift_warned),
                waited_s=float(row.waited_s),
                ran_s=float(row.ran_s),
            )
            for row in rows
        ]

    def items(self) -> dict[tuple[str, str], int]:
        """Count the recorded items by kind and status, those of running jobs included."""
        counts: dict[tuple[str, str], int] = {}
        sums = (func.sum(JobTotalsRow.items_succeeded), func.sum(JobTotalsRow.items_failed))
        for kind, succeeded, failed in self._session.execute(
            select(JobTotalsRow.kind, *sums).group_by(JobTotalsRow.kind)
        ):
            counts |= {(kind, "succeeded"): int(succeeded), (kind, "failed"): int(failed)}
        for which in (JobRow.status.in_(UNFINISHED), _ENDED):
            for row in self._session.execute(_items(which)):
                counts[row.kind, row.status] = counts.get((row.kind, row.status), 0) + row.number
        return {key: number for key, number in counts.items() if number}

    def _add(self, values: Mapping[str, Any]) -> None:
        statement = insert(JobTotalsRow).values(**values)
        grown = {name: getattr(JobTotalsRow, name) + statement.excluded[name] for name in SUMS}
        key = [JobTotalsRow.kind, JobTotalsRow.outcome]
        self._session.execute(statement.on_conflict_do_update(index_elements=key, set_=grown))


def _sums(which: ColumnElement[bool]) -> Select[Any]:
    """Sum up ended jobs by kind and outcome."""
    # A back-off after the start is no waiting in the queue; a person's retry begins the wait anew.
    due_at = case((JobRow.not_before <= JobRow.started_at, JobRow.not_before), else_=JobRow.created_at)
    return (
        select(
            JobRow.kind,
            JobRow.status.label("outcome"),
            func.count().label("jobs"),
            func.count(JobRow.started_at).label("started"),
            func.count(JobRow.result["drift"]["warning"].astext).label("drift_warned"),
            _seconds(JobRow.started_at - due_at).label("waited_s"),
            _seconds(JobRow.finished_at - JobRow.started_at).label("ran_s"),
        )
        .where(which)
        .group_by(JobRow.kind, JobRow.status)
    )


def _items(which: ColumnElement[bool]) -> Select[str, str, str, int]:
    """Count the items of some jobs that were recorded since the job was last counted."""
    return (
        select(
            JobRow.kind, JobRow.status.label("job_status"), JobItemRow.status, func.count().label("number")
        )
        .join(JobItemRow, JobItemRow.job_id == JobRow.id)
        .where(
            which,
            JobItemRow.status.in_(("succeeded", "failed")),
            JobItemRow.finished_at >= JobRow.uncounted_since,
        )
        .group_by(JobRow.kind, JobRow.status, JobItemRow.status)
    )


def _seconds(interval: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(func.extract("epoch", func.sum(interval)), 0.0)
