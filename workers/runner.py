"""One attempt at one job, from the claim to a true status in its row.

This is the only place that catches `Exception`: whatever a pipeline does, the job's row says in
the end what became of it, or the lease runs out and the sweep decides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal

from opentelemetry.trace import Span, SpanKind

from services import tracing
from services.errors import KaryobridgeError, TransientError, problem_of
from services.jobs.context import JobContext
from services.jobs.dispatch import Dispatcher
from services.jobs.errors import (
    BrokerAwayError,
    DatabaseAwayError,
    JobCancelledError,
    JobDisplacedError,
    JobHandedBackError,
    JobInterruptedError,
    JobOvertimeError,
    LeaseLostError,
    RunTimeLimitError,
    UnexpectedError,
)
from services.jobs.keeper import LeaseKeeper
from services.jobs.kinds import KINDS, KindSpec, budget_of
from services.jobs.leases import LeaseRepository
from services.jobs.outcome import Outcome, Tally, outcome_of
from services.jobs.repository import JobRepository
from services.jobs.transactions import DATABASE_AWAY, PatientTransactions
from services.jobs.turns import TurnRules
from services.jobs.types import Claim, JobStatus
from services.log import bound, get_logger
from services.pipelines.resources import Resources
from workers import metrics
from workers.runners import Pipeline, pipeline_of

RunEnd = JobStatus | Literal["not_claimed", "lost"]

log = get_logger(__name__)


@dataclass(frozen=True)
class WorkerProcess:
    """What a worker process is and may do.

    Attributes
    ----------
    name
        Shown in the job's row, for example ``host:4711``.
    stopping
        Whether jobs should be handed back.
    end
        Ends the process at once, when a pipeline hangs beyond its time limit.
    """

    name: str
    stopping: Callable[[], bool]
    end: Callable[[], None]


@dataclass(frozen=True)
class JobRunner:
    """Runs jobs by their ids."""

    resources: Resources
    transactions: PatientTransactions
    dispatcher: Dispatcher
    process: WorkerProcess
    pipeline_of: Callable[[str], Pipeline] = field(default=pipeline_of)
    kinds: Mapping[str, KindSpec] = field(default_factory=lambda: KINDS)

    def run(self, job_id: str) -> RunEnd:
        """Claim the job, run its pipeline and record how it ended.

        Returns
        -------
        RunEnd
            The job's new status; ``not_claimed`` if it is not queued and due (a duplicate message,
            a cancelled job, another worker was faster); ``lost`` if the lease went elsewhere or the
            database is away, and others have to decide.
        """
        lease_s = self.resources.settings.lease_s
        try:
            claim = self.transactions.run(
                lambda session: LeaseRepository(session).claim(
                    job_id, self.process.name, lease_s, self.kinds
                ),
                durable=False,
            )
        except DatabaseAwayError:
            log.warning("database away, job left to the sweep", job_id=job_id)
            return "lost"
        if claim is None:
            log.debug("nothing to claim", job_id=job_id)
            return "not_claimed"
        with (
            bound(job_id=job_id, request_id=claim.job.request_id),
            _attempt_span(claim) as span,
            metrics.BUSY.track_inprogress(),
        ):
            attempt = _Attempt(self, claim)
            end = attempt.run()
            span.set_attribute("karyobridge.job.status", end)
            if end in ("failed", "lost"):
                tracing.mark_failed(span, end)
        metrics.observe(claim, attempt.context.recorded, end, attempt.seconds)
        return end


def _attempt_span(claim: Claim) -> AbstractContextManager[Span]:
    job = claim.job
    attributes = tracing.message_attributes(job.id, job.kind, job.queue)
    attributes |= {"karyobridge.job.attempt": job.attempt, "karyobridge.job.waited_s": claim.waited_s}
    if job.request_id is not None:
        attributes["karyobridge.request_id"] = job.request_id
    return tracing.span(
        f"process {job.queue}", kind=SpanKind.CONSUMER, parent=job.traceparent, attributes=attributes
    )


class _Attempt:
    """The part of a run that holds a claim."""

    def __init__(self, runner: JobRunner, claim: Claim) -> None:
        settings = runner.resources.settings
        self._runner = runner
        self._claim = claim
        self._transactions = runner.transactions
        self._spec = runner.kinds[claim.job.kind]
        self._budget = budget_of(claim.job.kind, settings.job_max_attempts)
        self._keeper = LeaseKeeper(
            claim,
            self._transactions,
            lease_s=settings.lease_s,
            limit_s=self._spec.max_run_s,
            rules=TurnRules.of(settings),
            on_hang=runner.process.end,
        )
        self.context = JobContext(
            claim,
            self._spec,
            self._transactions,
            self._keeper,
            budget=self._budget,
            stopping=runner.process.stopping,
        )
        self._started = time.monotonic()
        self.seconds = 0.0

    def run(self) -> RunEnd:
        """Run the pipeline and write the job's end."""
        log.info("job started", kind=self._claim.job.kind, attempt=self._claim.job.attempt)
        try:
            with self._keeper:
                end = self._run_pipeline()
        except LeaseLostError:
            end = "lost"
            self._clear_away()
        except DatabaseAwayError as error:
            log.warning("job's end not written, left to the sweep", reason=str(error))
            end = "lost"
            self._clear_away()  # it may be only this worker that the database is away from
        self.seconds = time.monotonic() - self._started
        log.info("job ended", status=end, seconds=round(self.seconds, 3))
        return end

    def _clear_away(self) -> None:
        """Remove what this attempt kept after another one had ended the job, for then nobody else does."""
        job_id = self._claim.job.id
        try:
            job = self._transactions.run(lambda session: JobRepository(session).get(job_id), durable=False)
            if job.status in ("succeeded", "partial"):
                self.context.forget()
        except (KaryobridgeError, *DATABASE_AWAY) as error:
            log.warning("not cleared away", reason=str(error))

    def _run_pipeline(self) -> RunEnd:
        job = self._claim.job
        try:
            result = self._runner.pipeline_of(job.kind)(self.context, self._runner.resources)
            self.context.tell()
        except JobInterruptedError as interruption:
            return self._interrupted(interruption)
        except KaryobridgeError as error:
            return self._failed(error)
        except DATABASE_AWAY as error:
            return self._failed(DatabaseAwayError(f"The database went away: {error}"))
        except Exception:
            log.exception("unexpected failure")
            return self._failed(UnexpectedError(job.id))
        return self._finish(lambda tally: outcome_of(job.id, tally, result))

    def _interrupted(self, interruption: JobInterruptedError) -> RunEnd:
        if isinstance(interruption, JobCancelledError):
            return self._finish(lambda _: Outcome("cancelled"))
        if isinstance(interruption, JobHandedBackError):
            return self._hand_back(displaced=isinstance(interruption, JobDisplacedError))
        if isinstance(interruption, JobOvertimeError):
            return self._failed(RunTimeLimitError(self._spec.max_run_s))
        raise interruption

    def _failed(self, error: KaryobridgeError) -> RunEnd:
        log.warning("job failed", code=error.code, reason=str(error))
        if isinstance(error, TransientError):
            return self._retry(error)
        outcome = Outcome("failed", problem_of(error))
        return self._finish(lambda _: outcome)

    def _finish(self, decide: Callable[[Tally], Outcome]) -> RunEnd:
        return self._write(lambda leases: leases.finish(self._claim, decide).status)

    def _retry(self, error: TransientError) -> RunEnd:
        backoff_s = self._runner.resources.settings.retry_backoff_s
        return self._write(
            lambda leases: leases.retry(
                self._claim,
                self.context.begun,
                problem_of(error),
                budget=self._budget,
                backoff_s=backoff_s,
            )
        )

    def _hand_back(self, *, displaced: bool) -> RunEnd:
        lost = 0 if self.context.brought_something else self._claim.turns_lost + displaced
        log.info("job handed back", why="another job's turn" if displaced else "worker stops")
        metrics.HAND_BACKS.labels(self._claim.job.kind, "displaced" if displaced else "stopping").inc()
        status = self._write(
            lambda leases: leases.hand_back(self._claim, self.context.begun, turns_lost=lost)
        )
        job = self._claim.job
        try:
            if status == "queued":
                self._runner.dispatcher.send(job.id, job.queue, job.priority)
        except BrokerAwayError as error:
            log.warning("handed back, but not sent", reason=str(error))
        return status

    def _write(self, write: Callable[[LeaseRepository], JobStatus]) -> JobStatus:
        return self._transactions.run(lambda session: write(LeaseRepository(session)))
