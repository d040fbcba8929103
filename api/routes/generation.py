"""What a generation job made: how good it is, and some of it beside its sources."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.auth import needs
from api.caching import bytes_answer
from api.dependencies import CurrentWiring
from api.openapi import problem
from api.schemas.generation import QualityView
from services.generation.samples import DEFAULT_SAMPLES, MAX_SAMPLES

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_NO_REPORT: dict[int | str, dict[str, Any]] = {
    404: problem("There is no such job, or it has no report (`quality_missing`).")
}


def _png(missing: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "The caller has it already."},
        404: problem(missing),
    }


@router.get("/{job_id}/quality", dependencies=[needs("read")], responses=_NO_REPORT)
def get_quality(job_id: str, wiring: CurrentWiring) -> QualityView:
    """Read how a generation job's crops compare with real aberrations."""
    return QualityView.of(job_id, wiring.reports.get(job_id))


@router.get(
    "/{job_id}/quality/{picture}.png",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_png("There is no such job, report or picture."),
)
def get_quality_picture(request: Request, job_id: str, picture: str, wiring: CurrentWiring) -> Response:
    """Give a picture of the report."""
    return bytes_answer(request, wiring.reports.picture(job_id, picture), "image/png", immutable=False)


@router.get(
    "/{job_id}/samples.png",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_png("There is no such job, or it generated nothing (`samples_missing`)."),
)
def get_samples(
    *,
    request: Request,
    job_id: str,
    wiring: CurrentWiring,
    limit: Annotated[
        int, Query(ge=1, le=MAX_SAMPLES, description="How many synthetic crops at most.")
    ] = DEFAULT_SAMPLES,
) -> Response:
    """Draw some of a job's synthetic crops, each below its source: the source's DAPI, then its colours."""
    return bytes_answer(request, wiring.samples.strip(job_id, limit), "image/png", immutable=False)
