"""Around every request, as plain ASGI: an id, a log line, metrics, and a bound on the body."""

from __future__ import annotations

import re
import time
from http import HTTPStatus
from typing import Final

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import HttpMetrics
from services.ids import new_id
from services.log import bound, get_logger

REQUEST_ID_HEADER: Final = "X-Request-ID"
UNMATCHED_ROUTE: Final = "unmatched"
BODY_LIMIT_KEY: Final = "karyobridge.body_limit"

_USABLE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Orchestrators and Prometheus ask every few seconds; their lines would bury the others.
QUIET_ROUTES: Final = frozenset({"/healthz", "/readyz", "/metrics"})

log = get_logger("api.access")


class RequestContextMiddleware:
    """Gives each request an id (the caller's, if it sent a usable one), a log line and metrics."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = offered if _USABLE_REQUEST_ID.fullmatch(offered) else new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id
        # An exception that nothing below answered becomes a 500 above this middleware.
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        with bound(request_id=request_id), self._metrics.in_progress.track_inprogress():
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                self._report(scope, status, time.perf_counter() - started)

    def _report(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNMATCHED_ROUTE)
        # Anything may stand where the method does; labels must stay few.
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "OTHER"
        limiter: BodyLimiter | None = scope.get(BODY_LIMIT_KEY)
        received_bytes = limiter.received_bytes if limiter else 0
        self._metrics.observe(
            method=method, route=route, status=status, seconds=seconds, received_bytes=received_bytes
        )
        if route not in QUIET_ROUTES:
            log.info("request", method=method, path=scope["path"], status=status, seconds=round(seconds, 4))


class BodyLimiter:
    """How many bytes of a body may be read; a route that takes more raises the limit first."""

    def __init__(self, receive: Receive, headers: Headers, limit_bytes: int) -> None:
        self._receive = receive
        self._declared_bytes = _declared(headers)
        self.received_bytes = 0
        self.limit_bytes = limit_bytes

    async def receive(self) -> Message:
        """Pass a message on, or raise 413 before more than the limit has been taken in."""
        self._check(self._declared_bytes)
        message = await self._receive()
        if message["type"] == "http.request":
            self.received_bytes += len(message.get("body", b""))
            self._check(self.received_bytes)
        return message

    def _check(self, size_bytes: int) -> None:
        # The framework lets HTTP exceptions through while it reads a body, and no others.
        if size_bytes > self.limit_bytes:
            raise HTTPException(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"The body may have at most {self.limit_bytes} bytes here.",
            )


class BodyLimitMiddleware:
    """Bounds every body, whatever its Content-Length claims, chunked or not.

    The check happens when a body is read, so that a request without a valid key is refused for
    that, and nothing of its body is taken in.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limiter = BodyLimiter(receive, Headers(scope=scope), self._limit_bytes)
        scope[BODY_LIMIT_KEY] = limiter
        await self._app(scope, limiter.receive, send)


def raise_body_limit(scope: Scope, limit_bytes: int) -> None:
    """Let this request carry a larger body; called by a route before it reads."""
    limiter: BodyLimiter = scope[BODY_LIMIT_KEY]
    limiter.limit_bytes = limit_bytes


def _declared(headers: Headers) -> int:
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else 0


class HeadMiddleware:
    """Answers HEAD wherever GET is answered: the same headers, and no body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_headers_only(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, send_headers_only)
