"""Submitting work, watching it, stopping it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session
from sse_starlette import EventSourceResponse

from api.auth import CurrentCaller, needs
from api.dependencies import CurrentPage, CurrentWiring
from api.events import JobEvents
from api.idempotency import OnceOnly
from api.openapi import problem
from api.schemas.common import Line, PageView
from api.schemas.jobs import JobItemView, JobView
from services import audit
from services.config import Settings
from services.idempotency import Answer
from services.jobs.params import JobRequest
from services.jobs.repository import JobRepository
from services.jobs.types import Job, JobFilter, JobStatus

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_REQUESTS: dict[str, Any] = {
    "segmentation": {
        "summary": "Find the chromosomes of a sample",
        "value": {"kind": "segmentation", "sample": "S26-001234", "external_id": "LIMS-77"},
    },
    "segmenter_training": {
        "summary": "Fine-tune the segmenter on masks that people drew",
        "value": {
            "kind": "segmenter_training",
            "sample": "S26-001234",
            "segmenter": "chromosome/production",
            "name": "our-chromosomes",
            "epochs": 40,
        },
    },
    "scoring": {
        "summary": "Find the chromosomes of a sample and score them",
        "value": {"kind": "scoring", "sample": "S26-001234", "external_id": "LIMS-78"},
    },
    "urgent": {
        "summary": "Score a sample before everything that waits",
        "value": {"kind": "scoring", "sample": "S26-001235", "priority": "urgent"},
    },
    "classification": {
        "summary": "Score chromosomes that were found before with another classifier",
        "value": {"kind": "classification", "sample": "S26-001234", "classifier": "our-translocations/2"},
    },
    "classifier_training": {
        "summary": "Train a classifier on a data set",
        "value": {"kind": "classifier_training", "dataset": "adir/1", "name": "our-translocations"},
    },
    "generation": {
        "summary": "Paint translocations on the normal chromosomes of a data set",
        "value": {
            "kind": "generation",
            "dataset": "adir/1",
            "max_sources": 200,
            "samples_per_source": 5,
            "seed": 1,
        },
    },
    "generator_training": {
        "summary": "Train a Brownian Bridge on the aberrations of a data set",
        "value": {
            "kind": "generator_training",
            "dataset": "adir/1",
            "name": "our-bridge",
            "method": "bbdm",
            "size": "small",
            "steps": 4000,
        },
    },
    "study": {
        "summary": "See whether synthetic aberrations help on a data set",
        "value": {"kind": "study", "dataset": "adir/1", "name": "adir-study", "size": "cpu"},
    },
    "diagnostic": {
        "summary": "See whether a job gets through",
        "value": {"kind": "diagnostic", "items": 3, "seconds_per_item": 0.1},
    },
}


@router.post("", status_code=202, response_model=JobView, dependencies=[needs("submit")])
def submit_job(
    request: Request,
    body: Annotated[JobRequest, Body(openapi_examples=_REQUESTS)],
    caller: CurrentCaller,
    once: OnceOnly,
    wiring: CurrentWiring,
) -> JSONResponse:
    """Submit a job; poll it at `Location`, or follow its events."""

    def work(session: Session) -> Answer:
        job = wiring.submissions.submit(body, request.state.request_id, session=session)
        details = {
            "kind": job.kind,
            "sample": job.sample,
            "external_id": job.external_id,
            "priority": body.priority,
        }
        audit.record(session, actor=caller.name, action="job.submitted", subject=job.id, details=details)
        return accepted(job, session, wiring.settings)

    return once(body.model_dump(mode="json"), work)


@router.get("", dependencies=[needs("read")])
def list_jobs(
    *,
    wiring: CurrentWiring,
    page: CurrentPage,
    kind: Annotated[Line | None, Query(description="Kind of job.")] = None,
    status: Annotated[JobStatus | None, Query(description="Where it stands.")] = None,
    sample: Annotated[Line | None, Query(description="The LIMS accession.")] = None,
    external_id: Annotated[Line | None, Query(description="Your own reference.")] = None,
) -> PageView[JobView]:
    """List jobs in the order in which they were submitted."""
    found = wiring.jobs.list(JobFilter(kind, status, sample, external_id), page)
    return PageView[JobView](items=[JobView.of(job) for job in found.items], next_cursor=found.next_cursor)


@router.get("/{job_id}", dependencies=[needs("read")])
def get_job(job_id: str, wiring: CurrentWiring) -> JobView:
    """Read a job, with its place in the queue."""
    return JobView.of(*wiring.jobs.get_with_position(job_id))


@router.get("/{job_id}/items", dependencies=[needs("read")])
def list_items(job_id: str, wiring: CurrentWiring, page: CurrentPage) -> PageView[JobItemView]:
    """List a job's inputs in their order, with what became of each."""
    return PageView[JobItemView].model_validate(wiring.jobs.items(job_id, page))


@router.get(
    "/{job_id}/events",
    dependencies=[needs("read")],
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def follow_job(request: Request, job_id: str) -> EventSourceResponse:
    """Send the job at every change as `progress`, and last as `end`; each event has the whole job."""
    events: JobEvents = request.app.state.events
    return await events.follow(job_id)


@router.post(
    "/{job_id}/cancel",
    response_model=JobView,
    status_code=202,
    dependencies=[needs("submit")],
    responses={
        200: {"model": JobView, "description": "The job was still queued, and is cancelled."},
        409: problem("The job has ended already."),
    },
)
def cancel_job(job_id: str, caller: CurrentCaller, once: OnceOnly, wiring: CurrentWiring) -> JSONResponse:
    """Stop a job: at once if it is queued (200), at its next item if it runs (202)."""

    def work(session: Session) -> Answer:
        job = wiring.jobs.cancel(job_id, session=session)
        audit.record(session, actor=caller.name, action="job.cancelled", subject=job_id, details={})
        return Answer(200, {}, _shown(job)) if job.is_terminal else accepted(job, session, wiring.settings)

    return once({}, work)


@router.post(
    "/{job_id}/retry",
    status_code=202,
    response_model=JobView,
    dependencies=[needs("submit")],
    responses={409: problem("Nothing of the job failed, or it has not ended.")},
)
def retry_job(job_id: str, caller: CurrentCaller, once: OnceOnly, wiring: CurrentWiring) -> JSONResponse:
    """Run what failed once more; what succeeded stays."""

    def work(session: Session) -> Answer:
        job = wiring.jobs.retry(job_id, session=session)
        audit.record(session, actor=caller.name, action="job.retried", subject=job_id, details={})
        return accepted(job, session, wiring.settings)

    return once({}, work)


def accepted(job: Job, session: Session, settings: Settings) -> Answer:
    """Answer 202: where to look, and when.

    The place in the queue is asked in the session that submits: a second connection per request
    could leave a busy server with none.
    """
    headers = {"Location": f"/v1/jobs/{job.id}", "Retry-After": str(settings.poll_after_s)}
    return Answer(202, headers, _shown(job, JobRepository(session).queue_position(job)))


def _shown(job: Job, queue_position: int | None = None) -> dict[str, Any]:
    return JobView.of(job, queue_position).model_dump(mode="json")
