"""API keys: made, listed and revoked by an administrator."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.auth import CurrentCaller, needs
from api.dependencies import CurrentPage, Reader, Writer
from api.idempotency import OnceOnly
from api.schemas.common import PageView
from api.schemas.keys import IssuedKeyView, KeyRequest, KeyView
from services import audit
from services.auth import ApiKeyService
from services.idempotency import Answer

router = APIRouter(prefix="/v1/keys", tags=["keys"], dependencies=[needs("admin")])


@router.post("", status_code=201, response_model=IssuedKeyView)
def create_key(body: KeyRequest, caller: CurrentCaller, once: OnceOnly) -> JSONResponse:
    """Make a key; its secret is in this answer and nowhere else."""

    def work(session: Session) -> Answer:
        issued = IssuedKeyView.of(ApiKeyService(session).create(body.name, body.scopes))
        details = {"name": body.name, "scopes": list(issued.scopes)}
        audit.record(session, actor=caller.name, action="key.created", subject=issued.id, details=details)
        return Answer(201, {"Location": f"/v1/keys/{issued.id}"}, issued.model_dump(mode="json"))

    return once({"name": body.name, "scopes": sorted(body.scopes)}, work)


@router.get("")
def list_keys(session: Reader, page: CurrentPage) -> PageView[KeyView]:
    """List keys, revoked ones included."""
    return PageView[KeyView].model_validate(ApiKeyService(session).list_page(page))


@router.delete("/{key_id}")
def revoke_key(key_id: str, caller: CurrentCaller, session: Writer) -> KeyView:
    """Make a key useless from now on; it stays listed. Doing it again changes nothing."""
    revoked = ApiKeyService(session).revoke(key_id)
    audit.record(session, actor=caller.name, action="key.revoked", subject=key_id, details={})
    return KeyView.model_validate(revoked)
