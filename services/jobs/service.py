"""Submitting and steering jobs: what the API calls.

The row is committed first, and only then is its id sent. A broker that is away, or a process that
dies in between, costs time but no job: the sweep sends what waits and is not in the broker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.trace import Span, SpanKind
from pydantic import ValidationError
from sqlalchemy import event, func
from sqlalchemy.orm import Session

from services import tracing
from services.config import Settings
from services.db.engine import SessionFactory
from services.db.tables import JobRow, JsonObject
from services.errors import InvalidInputError
from services.ids import new_id
from services.jobs.dispatch import Dispatcher
from services.jobs.errors import BrokerAwayError
from services.jobs.kinds import KindSpec, budget_of, level_of, spec_of
from services.jobs.repository import JobRepository
from services.jobs.types import Job, JobFilter, JobItem, PriorityName
from services.log import get_logger
from services.pagination import Page, PageRequest

log = get_logger(__name__)


class JobService:
    """Jobs as whoever asks for work sees them."""

    def __init__(self, session_factory: SessionFactory, dispatcher: Dispatcher, settings: Settings) -> None:
        self._session_factory = session_factory
        self._dispatcher = dispatcher
        self._settings = settings

    def submit(
        self,
        kind: str,
        params: JsonObject,
        *,
        inputs: JsonObject | None = None,
        item_ids: Sequence[str] = (),
        artifacts: Mapping[str, str] | None = None,
        sample: str | None = None,
        external_id: str | None = None,
        request_id: str | None = None,
        priority: PriorityName = "normal",
        session: Session | None = None,
    ) -> Job:
        """Store a job and, once it is committed, send its id to a worker.

        Parameters
        ----------
        params
            Validated against the kind's model; defaults are filled in.
        inputs
            What was asked for, as the client is shown it again.
        item_ids
            The inputs to work through, one item each, for example image ids. A diagnostic job
            makes its own.
        artifacts
            Role to exact ``name/version``.
        priority
            Who goes first, see `kinds.level_of`.
        session
            Joins the caller's transaction; the id is sent when that one commits.

        Raises
        ------
        UnknownKindError, PriorityRefusedError, InvalidInputError
            The request is wrong.
        """
        spec = spec_of(kind)
        stored = _validated(spec, params)
        if kind == "diagnostic":
            item_ids = [f"item_{position}" for position in range(stored["items"])]
        row = self._new_row(spec, stored, len(item_ids))
        row.priority = level_of(spec, priority)
        row.inputs, row.artifacts = dict(inputs or {}), _checked_artifacts(spec, artifacts or {})
        row.sample, row.external_id, row.request_id = sample, external_id, request_id
        publishing = _begin_publishing(row.id, row.kind, row.queue)
        row.traceparent = tracing.traceparent_of(publishing)
        if session is not None:
            job = JobRepository(session).add(row, item_ids)
            event.listen(session, "after_commit", lambda _: self._send(job, publishing), once=True)
            return job
        with self._session_factory.begin() as own:
            job = JobRepository(own).add(row, item_ids)
        self._send(job, publishing)
        return job

    def cancel(self, job_id: str, *, session: Session | None = None) -> Job:
        """Cancel a queued job, or ask a running one to stop at its next item.

        Parameters
        ----------
        session
            Joins the caller's transaction.

        Raises
        ------
        NotFoundError, JobNotCancellableError
        """
        if session is None:
            with self._session_factory.begin() as own:
                return self.cancel(job_id, session=own)
        return JobRepository(session).request_cancel(job_id)

    def retry(self, job_id: str, *, session: Session | None = None) -> Job:
        """Run what failed, or was not reached, once more; what succeeded stays.

        Parameters
        ----------
        session
            Joins the caller's transaction; the id is sent when that one commits.

        Raises
        ------
        NotFoundError, JobNotRetryableError
        """
        if session is None:
            with self._session_factory.begin() as own:
                return self.retry(job_id, session=own)
        repository = JobRepository(session)
        ended = repository.get(job_id)
        publishing = _begin_publishing(job_id, ended.kind, ended.queue, linked=ended.traceparent)
        job = repository.retry(
            job_id,
            budget_of(ended.kind, self._settings.job_max_attempts),
            traceparent=tracing.traceparent_of(publishing),
        )
        event.listen(session, "after_commit", lambda _: self._send(job, publishing), once=True)
        return job

    def get(self, job_id: str) -> Job:
        """Read a job; raises `NotFoundError`."""
        with self._session_factory() as session:
            return JobRepository(session).get(job_id)

    def get_with_position(self, job_id: str) -> tuple[Job, int | None]:
        """Read a job and its place in the queue, None unless it waits; raises `NotFoundError`."""
        with self._session_factory() as session:
            repository = JobRepository(session)
            job = repository.get(job_id)
            return job, repository.queue_position(job)

    def list(self, wanted: JobFilter | None = None, page: PageRequest | None = None) -> Page[Job]:
        """List jobs, oldest first."""
        with self._session_factory() as session:
            return JobRepository(session).list(wanted or JobFilter(), page or PageRequest())

    def items(self, job_id: str, page: PageRequest | None = None) -> Page[JobItem]:
        """List a job's items in the order of its inputs; raises `NotFoundError`."""
        with self._session_factory() as session:
            repository = JobRepository(session)
            repository.get(job_id)
            return repository.items(job_id, page or PageRequest())

    def _new_row(self, spec: KindSpec, params: JsonObject, num_items: int) -> JobRow:
        queues = {"gpu": self._settings.gpu_queue, "cpu": self._settings.cpu_queue}
        return JobRow(
            id=new_id("job"),
            kind=spec.kind,
            params=params,
            queue=queues[spec.queue],
            max_attempts=budget_of(spec.kind, self._settings.job_max_attempts),
            progress_total=num_items if spec.progress_by_items else 0,
            progress_unit=spec.unit,
            dispatched_at=func.now(),
        )

    def _send(self, job: Job, publishing: Span) -> None:
        try:
            self._dispatcher.send(job.id, job.queue, job.priority)
        except BrokerAwayError as error:
            # The client's job is safe in the database; the sweep sends it when the broker is back.
            log.warning("job not sent", job_id=job.id, reason=str(error))
            tracing.mark_failed(publishing, error.code)
        finally:
            publishing.end()


def _begin_publishing(job_id: str, kind: str, queue: str, linked: str | None = None) -> Span:
    """Begin the span that every attempt at the job hangs below; it ends when the broker has the id."""
    attributes = tracing.message_attributes(job_id, kind, queue)
    return tracing.begin(f"publish {queue}", kind=SpanKind.PRODUCER, linked=linked, attributes=attributes)


def _validated(spec: KindSpec, params: JsonObject) -> JsonObject:
    try:
        return spec.params_model.model_validate(params).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(f"params.{field}: {first['msg']}", f"params.{field}") from None


def _checked_artifacts(spec: KindSpec, artifacts: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(set(artifacts) - set(spec.artifact_roles))
    if unknown:
        known = ", ".join(spec.artifact_roles) or "none"
        raise InvalidInputError(
            f"A {spec.kind} job has no artifact role {unknown[0]!r}; it knows {known}.", "artifacts"
        )
    return dict(artifacts)
