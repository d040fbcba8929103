"""API keys: made, listed, replaced and revoked by an administrator."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.auth import CurrentCaller, needs
from api.dependencies import CurrentPage, Reader, Writer
from api.idempotency import OnceOnly
from api.openapi import problem
from api.schemas.common import PageView
from api.schemas.keys import IssuedKeyView, KeyRequest, KeyView, RotationRequest
from services import audit
from services.auth import ApiKeyService, IssuedKey
from services.idempotency import Answer
from services.key_rotation import rotate

router = APIRouter(prefix="/v1/keys", tags=["keys"], dependencies=[needs("admin")])


@router.post("", status_code=201, response_model=IssuedKeyView)
def create_key(body: KeyRequest, caller: CurrentCaller, once: OnceOnly) -> JSONResponse:
    """Make a key, for ever or for a time; its secret is in this answer and nowhere else."""

    def work(session: Session) -> Answer:
        issued = ApiKeyService(session).create(body.name, body.scopes, expires_at=body.expires_at)
        new = issued.record
        audit.record(session, actor=caller.name, action="key.created", subject=new.id, details=new.told())
        return _shown_once(issued)

    return once({**body.model_dump(mode="json"), "scopes": sorted(body.scopes)}, work)


@router.get("")
def list_keys(session: Reader, page: CurrentPage) -> PageView[KeyView]:
    """List keys, revoked ones included."""
    return PageView[KeyView].model_validate(ApiKeyService(session).list_page(page))


@router.post(
    "/{key_id}/rotate",
    status_code=201,
    response_model=IssuedKeyView,
    responses={409: problem("The key is revoked or expired, or has a successor that still works.")},
)
def rotate_key(key_id: str, body: RotationRequest, caller: CurrentCaller, once: OnceOnly) -> JSONResponse:
    """Make a key's successor, with the same scopes; the old key ends after the overlap.

    Its name is the old one's with the next number, such as `lims #2`: the audit tells the two apart.
    """

    def work(session: Session) -> Answer:
        return _shown_once(rotate(session, key_id, body.overlap_hours, body.expires_at, actor=caller.name))

    return once(body.model_dump(mode="json"), work)


@router.delete("/{key_id}")
def revoke_key(key_id: str, caller: CurrentCaller, session: Writer) -> KeyView:
    """Make a key useless from now on; it stays listed. Doing it again changes nothing."""
    revoked = ApiKeyService(session).revoke(key_id)
    audit.record(session, actor=caller.name, action="key.revoked", subject=key_id, details={})
    return KeyView.model_validate(revoked)


def _shown_once(issued: IssuedKey) -> Answer:
    view = IssuedKeyView.of(issued)
    return Answer(201, {"Location": f"/v1/keys/{view.id}"}, view.model_dump(mode="json"))
