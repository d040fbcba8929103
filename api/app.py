"""The application: routes, errors, middleware and documents, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from api import errors, openapi, reference
from api.events import JobEvents
from api.headers import RATE_POLICY, SecurityHeadersMiddleware
from api.hosts import AllowedHostsMiddleware
from api.idempotency import REPLAYED_HEADER
from api.metrics import HttpMetrics
from api.middleware import (
    REQUEST_ID_HEADER,
    BodyLimitMiddleware,
    HeadMiddleware,
    RequestContextMiddleware,
)
from api.routes import annotations as crop_annotations
from api.routes import (
    artifacts,
    audit,
    batches,
    crops,
    datasets,
    filters,
    generation,
    images,
    jobs,
    keys,
    predictions,
    studies,
    system,
    uploads,
    webhooks,
)
from api.tracing import TracingMiddleware
from api.turns import Turns
from api.wiring import Wiring
from services import tracing
from services.addresses import entries_of
from services.auth import ApiKeyService
from services.config import Settings
from services.filtering.warming import WarmUp
from services.version import VERSION

# A body of JSON; forms and masks have limits of their own.
MAX_JSON_BYTES: Final = 2 * 1024**2

_TAGS: Final[list[dict[str, Any]]] = [
    {"name": "system", "description": "Is it up, is it ready, how busy is it."},
    {"name": "uploading", "description": "From a scanner's files to stored images."},
    {"name": "images", "description": "Images, pictures of them, masks."},
    {"name": "jobs", "description": "Work that takes longer than a request."},
    {"name": "crops", "description": "Single chromosomes and verdicts on them."},
    {"name": "datasets", "description": "Frozen selections of labelled crops, split without leakage."},
    {"name": "artifacts", "description": "Versions of trained models."},
    {"name": "filters", "description": "Which crops look like real aberrations, and why."},
    {"name": "studies", "description": "What helps a classifier: arms compared, with a report."},
    {"name": "webhooks", "description": "Being told when jobs end, instead of asking."},
    {"name": "keys", "description": "Who may call, and who changed what."},
]


def create_app(wiring: Wiring) -> FastAPI:
    """Build the application on what `wiring` connects; closing it is left to the application's end."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warm_up = WarmUp()
        warm_up.start()
        yield
        warm_up.close()
        wiring.close()

    app = FastAPI(
        title="Karyobridge",
        version=VERSION,
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        openapi_tags=_TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.wiring = wiring
    app.state.events = JobEvents(wiring.jobs)
    app.state.scoring_turns = Turns()
    # What a person says comes before `crops`, whose ids would take its path for one of theirs.
    for module in (
        system,
        batches,
        uploads,
        images,
        jobs,
        crop_annotations,
        crops,
        datasets,
        artifacts,
        predictions,
        filters,
        generation,
        studies,
        keys,
        audit,
        webhooks,
    ):
        app.include_router(module.router)
    errors.install(app)
    openapi.install(app)
    reference.install(app)
    # The last one added is the outermost.
    app.add_middleware(BodyLimitMiddleware, limit_bytes=MAX_JSON_BYTES)
    if wiring.settings.allowed_hosts:
        app.add_middleware(AllowedHostsMiddleware, hosts=entries_of(wiring.settings.allowed_hosts))
    app.add_middleware(RequestContextMiddleware, metrics=HttpMetrics(wiring.metrics))
    if tracing.enabled():
        app.add_middleware(TracingMiddleware)
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(HeadMiddleware)
    if wiring.settings.cors_origins:
        _let_pages_call(app, wiring.settings)
    return app


def _let_pages_call(app: FastAPI, settings: Settings) -> None:
    """Let scripts of the pages that the operator named call the service, with a key that they must have."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=entries_of(settings.cors_origins),
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "If-None-Match",
            REQUEST_ID_HEADER,
        ],
        expose_headers=[
            "Content-Disposition",
            "ETag",
            "Location",
            "RateLimit",
            RATE_POLICY,
            "Retry-After",
            REPLAYED_HEADER,
            REQUEST_ID_HEADER,
        ],
        allow_credentials=False,
    )


def prepare_keys(wiring: Wiring) -> bool:
    """Store the operator's first admin key if there is none yet; returns whether any key is active."""
    bootstrap_key = wiring.settings.bootstrap_admin_key.get_secret_value()
    with wiring.sessions.begin() as session:
        keys_service = ApiKeyService(session)
        if bootstrap_key:
            keys_service.bootstrap(bootstrap_key)
        return keys_service.any_exists()
