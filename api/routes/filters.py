"""Filters at work: embeddings scored at once, maps, versions compared, and jobs decided anew."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy.orm import Session

from api.auth import CurrentCaller, needs
from api.caching import bytes_answer
from api.dependencies import CurrentWiring, Writer
from api.forms import ScoreBody, json_body
from api.idempotency import OnceOnly
from api.openapi import problem
from api.pages import page_answer
from api.routes.predictions import CSV, download, table
from api.schemas.filters import (
    DifferenceView,
    FilteringView,
    RedecideRequest,
    ScoreRequest,
    ScoresView,
)
from api.turns import ScoringTurn
from services.filtering.verdicts import redecide
from services.idempotency import Answer
from services.storage.keys import sha256_hex

router = APIRouter(prefix="/v1", tags=["filters"])

_VERSION: Final = "/artifacts/filter/{name}/{version_or_alias}"
_NO_FILTER_MAP: Final = "There is no such filter, or it came without this (`map_missing`)."
_UNDECIDED: Final = "The job has not ended, or ended before it had decided."
_SCORE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": json_body(
                ScoreRequest,
                {
                    "one_row": {
                        "summary": "A row has 512 numbers; three are shown",
                        "value": {"embeddings": [[0.125, 0.0, 1.75]], "classifier": "translocation/1"},
                    }
                },
            )
        },
    }
}

AtLevel = Annotated[
    float | None,
    Query(ge=0, le=1, allow_inf_nan=False, description="Count as if it were decided by this level."),
]
AtPercentile = Annotated[
    float | None,
    Query(
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="Count as if distances were limited to this percentile; 100 is no limit.",
    ),
]


def _file(media_type: str, missing: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "The caller has it already."},
        404: problem(missing),
    }


@router.post(
    f"{_VERSION}/score",
    response_model=ScoresView,
    dependencies=[needs("read")],
    openapi_extra=_SCORE_BODY,
    responses={404: problem("There is no such filter or classifier."), 415: problem("Send JSON.")},
)
def score_embeddings(
    *,
    name: str,
    version_or_alias: str,
    body: ScoreBody,
    once: OnceOnly,
    wiring: CurrentWiring,
    _turn: ScoringTurn,
) -> JSONResponse:
    """Score up to a thousand embeddings at once: the same row gets the same score in any company.

    A process scores two requests at the same time. The others wait for their turn, and are told to come
    again (503) where it has not come in half a minute.
    """

    def work(_: Session) -> Answer:
        scored = wiring.filters.score(
            name,
            version_or_alias,
            body.embeddings,
            level=body.level,
            max_percentile=body.max_percentile,
            classifier=body.classifier,
        )
        return Answer(200, {}, ScoresView.of(scored).model_dump(mode="json"))

    return once({"body_sha256": sha256_hex(body.model_dump_json().encode())}, work)


@router.get(
    f"{_VERSION}/plot.png",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_file("image/png", _NO_FILTER_MAP),
)
def get_filter_plot(request: Request, name: str, version_or_alias: str, wiring: CurrentWiring) -> Response:
    """Draw a filter's map: the real classes, the mixture, the ellipse."""
    content = wiring.filters.file(name, version_or_alias, "plot.png")
    return bytes_answer(request, content, "image/png", immutable=version_or_alias.isdecimal())


@router.get(
    f"{_VERSION}/map.html",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_file("text/html", _NO_FILTER_MAP),
)
def get_filter_map(request: Request, name: str, version_or_alias: str, wiring: CurrentWiring) -> Response:
    """Give a filter's map as one page with a slider for the level; it needs no network."""
    content = wiring.filters.file(name, version_or_alias, "map.html")
    return page_answer(request, content, immutable=version_or_alias.isdecimal())


@router.get(
    f"{_VERSION}/difference",
    dependencies=[needs("read")],
    responses={404: problem("One of the two does not exist."), 409: problem("Their classifiers differ.")},
)
def compare_filters(
    *,
    name: str,
    version_or_alias: str,
    wiring: CurrentWiring,
    other: Annotated[
        str,
        Query(
            pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$",
            description="Version or alias of the same name to compare with.",
            examples=["2"],
        ),
    ],
) -> DifferenceView:
    """Tell what changed from this version to another one, and which verdicts flip.

    Verdicts are compared on up to a thousand of the embeddings that the two were fitted on.
    """
    return DifferenceView.model_validate(wiring.filters.difference(name, version_or_alias, other))


@router.get(
    "/jobs/{job_id}/filtering",
    dependencies=[needs("read")],
    responses={404: problem("There is no such job, or it is none that filters."), 409: problem(_UNDECIDED)},
)
def get_filtering(
    job_id: str, wiring: CurrentWiring, level: AtLevel = None, max_percentile: AtPercentile = None
) -> FilteringView:
    """Count a job's crops before and after filtering, as they are decided or as they would be."""
    return FilteringView.of(wiring.verdicts.count(job_id, level, max_percentile))


@router.put(
    "/jobs/{job_id}/filtering",
    dependencies=[needs("review")],
    responses={404: problem("There is no such job, or it is none that filters."), 409: problem(_UNDECIDED)},
)
def redecide_filtering(
    job_id: str, body: RedecideRequest, caller: CurrentCaller, session: Writer
) -> FilteringView:
    """Decide anew which crops of a job are kept; nothing is computed again, and it is audited."""
    found = redecide(session, job_id, body.level, body.max_percentile, actor=caller.name)
    return FilteringView.of(found)


@router.get(
    "/jobs/{job_id}/map.html",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_file("text/html", "There is no such job, or it has no map (`map_missing`)."),
)
def get_job_map(request: Request, job_id: str, wiring: CurrentWiring) -> Response:
    """Give the map of a filtering job as one page: its crops among the training data, with pictures."""
    return page_answer(request, wiring.maps.get(job_id, "html"), immutable=False)


@router.get(
    "/jobs/{job_id}/map.png",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_file("image/png", "There is no such job, or it has no map (`map_missing`)."),
)
def get_job_plot(request: Request, job_id: str, wiring: CurrentWiring) -> Response:
    """Draw the map of a filtering job: before and after, as it was decided when the job ended."""
    return bytes_answer(request, wiring.maps.get(job_id, "png"), "image/png", immutable=False)


@router.get(
    "/jobs/{job_id}/filter_scores.csv",
    dependencies=[needs("read")],
    response_class=StreamingResponse,
    responses={**table(CSV), 409: problem(_UNDECIDED)},
)
def get_filter_scores(job_id: str, wiring: CurrentWiring) -> StreamingResponse:
    """Give what a job's filter said of every crop, for spreadsheets."""
    return download(wiring.verdicts.csv(job_id), CSV, f"{job_id}_filter_scores.csv")
