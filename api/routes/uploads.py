"""Large files that are sent by themselves, to the store where it can sign, and used later."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.auth import CurrentCaller, needs
from api.dependencies import CurrentWiring
from api.forms import UploadContent
from api.idempotency import OnceOnly
from api.multipart import label_of
from api.openapi import problem
from api.schemas.uploads import UploadRequest, UploadView
from api.wiring import Wiring
from services import audit
from services.idempotency import Answer
from services.incoming.types import IncomingFile, State

router = APIRouter(prefix="/v1/uploads", tags=["uploading"])

_BINARY: Final[dict[str, Any]] = {"type": "string", "format": "binary"}
_CONTENT: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": _BINARY}}}
}


@router.post("", status_code=201, response_model=UploadView, dependencies=[needs("submit")])
def promise_upload(
    body: UploadRequest, caller: CurrentCaller, once: OnceOnly, wiring: CurrentWiring
) -> JSONResponse:
    """Announce a large file; the answer says where to send it. Then name its id in `uploads`."""

    def work(session: Session) -> Answer:
        file = wiring.incoming.promise(label_of(body.filename), body.size_bytes, caller, session)
        details = {"filename": file.filename, "size_bytes": file.size_bytes}
        audit.record(session, actor=caller.name, action="upload.promised", subject=file.id, details=details)
        view = _view(wiring, file, "waiting")
        return Answer(201, {"Location": f"/v1/uploads/{file.id}"}, view.model_dump(mode="json"))

    return once(body.model_dump(), work)


@router.get("/{upload_id}", dependencies=[needs("submit")])
def get_upload(upload_id: str, caller: CurrentCaller, wiring: CurrentWiring) -> UploadView:
    """Tell how far an upload of this caller is, and where to send it if it is not here yet."""
    file = wiring.incoming.get(upload_id, caller)
    return _view(wiring, file, wiring.incoming.state(file))


@router.put(
    "/{upload_id}/content",
    status_code=204,
    response_class=Response,
    dependencies=[needs("submit")],
    openapi_extra=_CONTENT,
    responses={409: problem("The upload was used before (`upload_used`), or expired (`upload_expired`).")},
)
def put_upload_content(
    upload_id: str, content: UploadContent, caller: CurrentCaller, wiring: CurrentWiring
) -> None:
    """Send an upload's bytes to this service, which passes them on: where clients do not reach the store."""
    wiring.incoming.receive(content.file, content.stream, content.size_bytes)
    with wiring.sessions.begin() as session:
        details = {"size_bytes": content.size_bytes}
        audit.record(session, actor=caller.name, action="upload.received", subject=upload_id, details=details)


def _view(wiring: Wiring, file: IncomingFile, state: State) -> UploadView:
    told: dict[str, Any] = {"method": None, "url": None, "headers": {}}
    if state in ("waiting", "received"):
        signed = wiring.incoming.signed(file)
        told = {
            "method": "PUT",
            "url": signed.url if signed else f"/v1/uploads/{file.id}/content",
            "headers": {"Content-Type": "application/octet-stream", **(signed.headers if signed else {})},
        }
    return UploadView(
        id=file.id,
        filename=file.filename,
        size_bytes=file.size_bytes,
        state=state,
        created_at=file.created_at,
        expires_at=file.expires_at,
        used_at=file.used_at,
        **told,
    )
