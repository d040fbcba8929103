"""Uploading: one bad file rejects itself, never the batch."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.auth import CurrentCaller, needs
from api.dependencies import CurrentPage, CurrentWiring
from api.forms import BatchUpload, fields_of, fingerprint, form_body
from api.idempotency import OnceOnly
from api.schemas.batches import BatchForm, BatchView, Process
from api.schemas.common import Line, PageView
from api.wiring import Wiring
from services import audit
from services.idempotency import Answer
from services.images.channels import parse_channel_rule
from services.jobs.types import PriorityName
from services.uploads.service import SubmitJob
from services.uploads.types import BatchRequest, UploadedFile

router = APIRouter(prefix="/v1/batches", tags=["uploading"])

_FORM: dict[str, Any] = form_body(
    BatchForm,
    "files",
    many=True,
    description="TIFF (grey, RGB, multi-page, OME, ImageJ), PNG, JPEG, or a ZIP of those.",
)


@router.post(
    "", status_code=201, response_model=BatchView, dependencies=[needs("submit")], openapi_extra=_FORM
)
def upload_batch(
    request: Request, form: BatchUpload, caller: CurrentCaller, once: OnceOnly, wiring: CurrentWiring
) -> JSONResponse:
    """Store images; the answer says for every file what became of it."""
    fields = fields_of(form, BatchForm, "files")
    wanted = BatchRequest(
        sample=fields.sample,
        slide=fields.slide,
        channel_rule=parse_channel_rule(fields.channels),
        pixel_size_um=fields.pixel_size_um,
        metadata=fields.metadata,
    )
    files = [UploadedFile(file.filename, file.open()) for file in form.files]
    submit = _submitter(fields.process, fields.priority, wiring, request.state.request_id)

    def work(session: Session) -> Answer:
        promised = wiring.incoming.sources(
            form.uploads, caller, max_bytes=wiring.settings.max_upload_bytes, sent_bytes=form.size_bytes
        )
        batch = wiring.uploads.receive([*files, *promised], wanted, submit, session=session)
        wiring.incoming.use(promised, session)
        details = {"sample": batch.sample, "files": len(batch.items), "job_id": batch.job_id}
        audit.record(session, actor=caller.name, action="batch.received", subject=batch.id, details=details)
        view = BatchView.model_validate(batch)
        return Answer(201, {"Location": f"/v1/batches/{batch.id}"}, view.model_dump(mode="json"))

    return once(fingerprint(form), work)


@router.get("", dependencies=[needs("read")])
def list_batches(
    wiring: CurrentWiring,
    page: CurrentPage,
    sample: Annotated[Line | None, Query(description="The LIMS accession.")] = None,
) -> PageView[BatchView]:
    """List uploads in the order in which they arrived."""
    return PageView[BatchView].model_validate(wiring.uploads.list_page(page, sample))


@router.get("/{batch_id}", dependencies=[needs("read")])
def get_batch(batch_id: str, wiring: CurrentWiring) -> BatchView:
    """Read one upload."""
    return BatchView.model_validate(wiring.uploads.get(batch_id))


def _submitter(process: Process, priority: PriorityName, wiring: Wiring, request_id: str) -> SubmitJob | None:
    """Return what submits the job that `process` asks for; raises if this service cannot run it now."""
    if process == "none":
        return None
    wiring.submissions.check_process(process)

    def submit(session: Session, batch_id: str, image_ids: tuple[str, ...]) -> str:
        job = wiring.submissions.add_for_batch(
            session, process, batch_id, image_ids, priority=priority, request_id=request_id
        )
        return job.id

    return submit
