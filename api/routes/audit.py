"""The audit trail: who changed what, when."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.auth import needs
from api.dependencies import CurrentPage, Reader
from api.schemas.audit import AuditView
from api.schemas.common import Line, Moment, PageView
from services import audit
from services.audit import AuditFilter

router = APIRouter(prefix="/v1/audit", tags=["keys"], dependencies=[needs("admin")])


@router.get("")
def list_audit(
    *,
    session: Reader,
    page: CurrentPage,
    actor: Annotated[Line | None, Query(description="Name of an API key, or `local`.")] = None,
    subject: Annotated[Line | None, Query(description="Id of what was changed.")] = None,
    action: Annotated[Line | None, Query(description="What was done.", examples=["key.created"])] = None,
    since: Annotated[Moment | None, Query(description="Not before this time.")] = None,
    until: Annotated[Moment | None, Query(description="Before this time.")] = None,
) -> PageView[AuditView]:
    """List changes, oldest first; rows are only ever added."""
    wanted = AuditFilter(actor, subject, action, since, until)
    return PageView[AuditView].model_validate(audit.list_page(session, wanted, page))
