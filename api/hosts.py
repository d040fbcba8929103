"""Which names the service answers to, where the operator has said so."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import problem_response
from api.middleware import QUIET_ROUTES
from services.addresses import host_allowed

MISDIRECTED: Final = HTTPStatus.MISDIRECTED_REQUEST


class AllowedHostsMiddleware:
    """Refuses requests for other names, which a page of a stranger may send here through DNS.

    Probes and Prometheus call a process by its address; they are answered whatever it is.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if (
            scope["type"] != "http"
            or scope["path"] in QUIET_ROUTES
            or host_allowed(Headers(scope=scope).get("host", ""), self._hosts)
        ):
            await self._app(scope, receive, send)
            return
        refused = problem_response(
            Request(scope),
            status=MISDIRECTED,
            code="unknown_host",
            title="This service has another name",
            detail="The Host header names none of ALLOWED_HOSTS; call the service by one of its names.",
        )
        await refused(scope, receive, send)
