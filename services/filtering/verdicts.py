"""What a filtering job decided, how many it keeps, and deciding otherwise afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from services import audit
from services.artifacts.types import ArtifactVersion
from services.db.engine import SessionFactory
from services.errors import ConflictError, InvalidInputError, NotFoundError
from services.filtering.decisions import Decision, decision_of_filter, decision_of_job
from services.filtering.maps import has_map
from services.filtering.repository import EXPORT_COLUMNS, FilterScoreRepository
from services.filtering.types import FilterCounts
from services.jobs.repository import JobRepository
from services.jobs.types import Job
from services.spreadsheets import csv_pieces

FILTERING: Final = "filtering"


@dataclass(frozen=True)
class Verdicts:
    """How many of a job's crops are kept at a decision.

    Attributes
    ----------
    filter
        Exact ``name/version``.
    decided
        Whether this is how the job's crops are decided now, and not only a question.
    has_map
        Whether the job made a map.
    """

    job_id: str
    filter: str
    decision: Decision
    decided: bool
    counts: FilterCounts
    has_map: bool


class VerdictService:
    """Verdicts of filtering jobs that have ended."""

    def __init__(self, session_factory: SessionFactory) -> None:
        self._session_factory = session_factory

    def count(self, job_id: str, level: float | None = None, max_percentile: float | None = None) -> Verdicts:
        """Count a job's crops before and after filtering, as they are decided or would be.

        Parameters
        ----------
        level, max_percentile
            None is the job's own.

        Raises
        ------
        NotFoundError
            There is no such job, or it is none that filters.
        ConflictError
            It has not ended, or ended before it had decided.
        """
        with self._session_factory() as session:
            job = decided_job(session, job_id)
            now = decision_of_job(job)
            asked = now.moved(level, max_percentile)
            decided = asked == now.moved(None, None)
            given = () if decided else (asked.level, asked.max_percentile)
            counts = FilterScoreRepository(session).counts(job_id, *given)
        return Verdicts(job_id, job.artifacts["filter"], asked, decided, counts, has_map(job))

    def csv(self, job_id: str) -> Iterator[bytes]:
        """UTF-8 CSV in pieces, a line per crop; raises as `count`."""
        with self._session_factory() as session:
            decided_job(session, job_id)
        return csv_pieces(EXPORT_COLUMNS, self._pages(job_id))

    def _pages(self, job_id: str) -> Iterator[list[Mapping[str, Any]]]:
        """Lines of a job's table; no connection is held between two pages."""
        after = None
        while True:
            with self._session_factory() as session:
                rows = FilterScoreRepository(session).export_page(job_id, after)
            if not rows:
                return
            yield [row.cells for row in rows]
            after = rows[-1].place


def redecide(
    session: Session, job_id: str, level: float, max_percentile: float | None, *, actor: str
) -> Verdicts:
    """Decide anew which crops of a job are kept, by one statement; the caller commits.

    The job's result tells the new level and counts, and an audit entry the one before.

    Parameters
    ----------
    max_percentile
        None leaves that gate as it is.
    actor
        The key that said so, for the audit trail.

    Raises
    ------
    NotFoundError, ConflictError
        As for `VerdictService.count`.
    """
    jobs, scores = JobRepository(session), FilterScoreRepository(session)
    job = jobs.lock(job_id)
    _require_decided(job)
    before = decision_of_job(job)
    after = before.moved(level, max_percentile)
    scores.redecide(job_id, after.level, after.max_percentile)
    counts = scores.counts(job_id)
    jobs.amend_result(job_id, {**after.to_json(), "kept": counts.after, "counts": counts.to_json()})
    details = {"from": before.to_json(), "to": after.to_json(), "kept": counts.after}
    audit.record(session, actor=actor, action="filtering.redecided", subject=job_id, details=details)
    return Verdicts(job_id, job.artifacts["filter"], after, decided=True, counts=counts, has_map=has_map(job))


def asked_decision(
    session: Session,
    *,
    filter_version: ArtifactVersion | None,
    job_id: str | None,
    level: float | None,
    max_percentile: float | None,
) -> Decision | None:
    """Complete what a caller wants to decide by with what the job, or else the filter, says.

    Returns
    -------
    Decision or None
        None where the caller leaves everything as it was decided.

    Raises
    ------
    InvalidInputError
        Neither a filter nor a job is named.
    NotFoundError, ConflictError
        As for `VerdictService.count`.
    """
    if level is None and max_percentile is None:
        return None
    if job_id is not None:
        return decision_of_job(decided_job(session, job_id)).moved(level, max_percentile)
    if filter_version is None:
        raise InvalidInputError(
            "A level belongs to a filter: name it with filter, or a job with filtered_by.",
            "level" if level is not None else "max_percentile",
        )
    return decision_of_filter(filter_version).moved(level, max_percentile)


def decided_job(session: Session, job_id: str) -> Job:
    """Return a filtering job that has decided; raises as `VerdictService.count`."""
    job = JobRepository(session).get(job_id)
    _require_decided(job)
    return job


def _require_decided(job: Job) -> None:
    if job.kind != FILTERING:
        raise NotFoundError("filter scores of job", job.id)
    if not job.is_terminal:
        raise ConflictError(f"Job {job.id} is {job.status}; ask again when it has ended.")
    if "level" not in job.result:
        raise ConflictError(
            f"Job {job.id} {job.status} before it had decided on its crops; filter them again with a new job."
        )
