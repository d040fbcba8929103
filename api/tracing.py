"""A span around every request, as plain ASGI; put in place only where traces are wanted.

A ``traceparent`` that a caller sends is taken up, so a LIMS that traces sees its call, our job and
every attempt at it as one. The names follow OpenTelemetry's conventions for HTTP.
"""

from __future__ import annotations

from http import HTTPStatus

from opentelemetry.trace import Span, SpanKind
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.middleware import KNOWN_METHODS, QUIET_ROUTES, UNMATCHED_ROUTE
from services import tracing


class TracingMiddleware:
    """Makes one span per request, from its headers to its answer's last byte."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"] in QUIET_ROUTES:
            await self._app(scope, receive, send)
            return
        # An exception that nothing below answered becomes a 500 above this middleware.
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"] if scope["method"] in KNOWN_METHODS else "_OTHER"
        parent = Headers(scope=scope).get("traceparent")
        with tracing.span(method, kind=SpanKind.SERVER, parent=parent) as span:
            try:
                await self._app(scope, receive, send_noting_status)
            finally:
                _describe(span, scope, method, status)


def _describe(span: Span, scope: Scope, method: str, status: int) -> None:
    route = getattr(scope.get("route"), "path", UNMATCHED_ROUTE)
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "url.path": scope["path"],
            "url.scheme": scope["scheme"],
            "karyobridge.request_id": scope.get("state", {}).get("request_id", ""),
        }
    )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        tracing.mark_failed(span, str(status))
