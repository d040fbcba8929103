"""Is the process up, is everything that it needs reachable, and what does Prometheus want to know."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.dependencies import CurrentWiring, refuse_surprises
from api.schemas.common import View
from api.schemas.system import Alive, PartView, Readiness
from services.version import VERSION

router = APIRouter(tags=["system"], dependencies=[Depends(refuse_surprises)])


@router.get("/healthz")
async def healthz() -> Alive:
    """Say that the process is up. Asks nobody, so a restart is right when this fails."""
    return Alive(status="ok", version=VERSION)


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
def readyz(wiring: CurrentWiring) -> JSONResponse:
    """Ask database, broker and object store, each with a deadline; 503 names the one that is away."""
    parts = [PartView.model_validate(part) for part in wiring.health.ask()]
    readiness = Readiness(ready=all(part.ok for part in parts), parts=parts)
    status = HTTPStatus.OK if readiness.ready else HTTPStatus.SERVICE_UNAVAILABLE
    return _answer(readiness, status)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(wiring: CurrentWiring) -> Response:
    """Give Prometheus this process's requests, and the queue and jobs as the database has them."""
    return Response(generate_latest(wiring.metrics), media_type=CONTENT_TYPE_LATEST)


def _answer(view: View, status: int) -> JSONResponse:
    return JSONResponse(view.model_dump(mode="json"), status)
