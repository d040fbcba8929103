"""Studies: a plan with its cost before, a report after. The study itself is a job."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.auth import needs
from api.caching import bytes_answer
from api.dependencies import CurrentPage, CurrentWiring
from api.idempotency import OnceOnly
from api.openapi import problem
from api.pages import page_answer
from api.schemas.common import PageView
from api.schemas.studies import StudyPlanRequest, StudyPlanView, StudyView
from services.idempotency import Answer

router = APIRouter(prefix="/v1", tags=["studies"])

_VERSION: Final = "/artifacts/study/{name}/{version_or_alias}"
_BINARY: Final[dict[str, Any]] = {"type": "string", "format": "binary"}
_RESULTS: Final[dict[str, Any]] = {
    "type": "object",
    "example": {"schema": 1, "study": {"name": "adir-study", "size": "cpu"}, "runs": [], "comparisons": []},
}


def _file(media_type: str, schema: dict[str, Any] = _BINARY) -> dict[int | str, dict[str, Any]]:
    return {
        200: {"content": {media_type: {"schema": schema}}},
        304: {"description": "The caller has it already."},
        404: problem("There is no such study."),
    }


@router.post(
    "/studies/plan",
    response_model=StudyPlanView,
    dependencies=[needs("read")],
    responses={404: problem("There is no such data set or generator.")},
)
def plan_study(
    body: Annotated[StudyPlanRequest, Body()], once: OnceOnly, wiring: CurrentWiring
) -> JSONResponse:
    """Tell what a study would do, which of it is there already, and how long it will take. Starts nothing."""

    def work(_: Session) -> Answer:
        found = wiring.studies.plan(body)
        return Answer(200, {}, StudyPlanView.model_validate(found).model_dump(mode="json"))

    return once(body.model_dump(mode="json"), work)


@router.get("/studies", dependencies=[needs("read")])
def list_studies(wiring: CurrentWiring, page: CurrentPage) -> PageView[StudyView]:
    """List the studies that have ended, by name and number, each with its result in one line."""
    found = wiring.studies.list_page(page)
    return PageView[StudyView](
        items=[StudyView.of(version) for version in found.items], next_cursor=found.next_cursor
    )


@router.get(
    f"{_VERSION}/report.html",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_file("text/html"),
)
def get_study_report(request: Request, name: str, version_or_alias: str, wiring: CurrentWiring) -> Response:
    """Give a study's report as one page; it needs no network."""
    content = wiring.studies.file(name, version_or_alias, "report.html")
    return page_answer(request, content, immutable=version_or_alias.isdecimal())


@router.get(
    f"{_VERSION}/report.pdf",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_file("application/pdf"),
)
def get_study_pdf(request: Request, name: str, version_or_alias: str, wiring: CurrentWiring) -> Response:
    """Give a study's report for print."""
    content = wiring.studies.file(name, version_or_alias, "report.pdf")
    return bytes_answer(request, content, "application/pdf", immutable=version_or_alias.isdecimal())


@router.get(
    f"{_VERSION}/results.json",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_file("application/json", _RESULTS),
)
def get_study_results(request: Request, name: str, version_or_alias: str, wiring: CurrentWiring) -> Response:
    """Give everything that a study's report was made of."""
    content = wiring.studies.file(name, version_or_alias, "results.json")
    return bytes_answer(request, content, "application/json", immutable=version_or_alias.isdecimal())


@router.get(
    f"{_VERSION}/{{table}}.csv",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_file("text/csv"),
)
def get_study_table(
    request: Request,
    name: str,
    version_or_alias: str,
    table: Literal["runs", "summaries", "comparisons"],
    wiring: CurrentWiring,
) -> Response:
    """Give a study's networks, means or comparisons for spreadsheets."""
    content = wiring.studies.file(name, version_or_alias, f"{table}.csv")
    return bytes_answer(
        request,
        content,
        "text/csv; charset=utf-8",
        immutable=version_or_alias.isdecimal(),
        filename=f"{name}-{version_or_alias}_{table}.csv",
    )
