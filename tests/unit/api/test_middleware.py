"""What happens around every request."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from fastapi import HTTPException
from prometheus_client import CollectorRegistry
from starlette.datastructures import Headers

from api.metrics import HttpMetrics
from api.middleware import (
    BodyLimiter,
    BodyLimitMiddleware,
    HeadMiddleware,
    RequestContextMiddleware,
    raise_body_limit,
)


def call(app: Any, method: str = "GET", headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Send one request through an ASGI application; returns what it sent."""
    sent: list[dict[str, Any]] = []
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "method": method, "path": "/x", "headers": raw}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"12345", "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(dict(message))

    asyncio.run(app(scope, receive, send))
    return sent


async def hello(scope: dict[str, Any], _: Any, send: Any) -> None:
    """Answer with the method that arrived."""
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": scope["method"].encode()})


class TestRequestContext:
    def test_usable_id_is_taken_over(self) -> None:
        """The caller's request id comes back, so that its logs and ours meet."""
        app = RequestContextMiddleware(hello, HttpMetrics(CollectorRegistry()))
        start = call(app, headers={"X-Request-ID": "lims-1"})[0]

        assert "lims-1" == Headers(raw=start["headers"])["x-request-id"]

    @pytest.mark.parametrize("offered", ["", "a b", "x" * 65, 'a"b'])
    def test_unusable_id_is_replaced(self, offered: str) -> None:
        """An id that could confuse a log is not taken over."""
        app = RequestContextMiddleware(hello, HttpMetrics(CollectorRegistry()))
        start = call(app, headers={"X-Request-ID": offered})[0]

        assert Headers(raw=start["headers"])["x-request-id"].startswith("req_")

    def test_crash_counts_as_500(self) -> None:
        """A request that nothing answers is counted for what it becomes."""

        async def crash(*_: Any) -> None:
            raise RuntimeError

        registry = CollectorRegistry()
        with pytest.raises(RuntimeError):
            call(RequestContextMiddleware(crash, HttpMetrics(registry)), method="BREW")

        assert 1.0 == registry.get_sample_value(
            "karyobridge_http_requests_total", {"method": "OTHER", "route": "unmatched", "status": "500"}
        )


class TestBodyLimit:
    def read(self, app_limit: int, raised_to: int | None = None, **headers: str) -> int:
        """Read pieces of five bytes until refused, four at most; returns how many came."""
        read = 0

        async def app(scope: dict[str, Any], receive: Any, _: Any) -> None:
            nonlocal read
            if raised_to is not None:
                raise_body_limit(scope, raised_to)
            while read < 4:
                await receive()
                read += 1

        with suppress(HTTPException):
            call(BodyLimitMiddleware(app, app_limit), headers=headers)
        return read

    def test_undeclared_body_is_counted(self) -> None:
        """A chunked body is cut off when it exceeds the limit."""
        assert 2 == self.read(10)

    def test_declared_body_is_refused_unread(self) -> None:
        """A body that says it is too large is not read at all."""
        assert 0 == self.read(10, **{"content-length": "11"})

    @pytest.mark.parametrize("claim", ["3", "-1", "x", "\u00b2"])
    def test_claim_does_not_lift_the_limit(self, claim: str) -> None:
        """A false or unreadable length changes nothing about what may be read."""
        limiter = BodyLimiter(receive_five, Headers({"content-length": claim}), 7)

        async def read_twice() -> None:
            await limiter.receive()
            await limiter.receive()

        with pytest.raises(HTTPException) as caught:
            asyncio.run(read_twice())

        assert 413 == caught.value.status_code

    def test_route_may_raise_it(self) -> None:
        """A route that takes large bodies raises the limit before it reads."""
        assert 4 == self.read(10, raised_to=20)


async def receive_five() -> dict[str, Any]:
    """Give five bytes, for ever."""
    return {"type": "http.request", "body": b"12345", "more_body": True}


class TestHead:
    def test_becomes_get_without_body(self) -> None:
        """HEAD is answered by what answers GET, and the body is dropped."""
        start, body = call(HeadMiddleware(hello), method="HEAD")

        assert (201, b"") == (start["status"], body["body"])

    def test_others_pass(self) -> None:
        """Other methods are not touched."""
        assert b"POST" == call(HeadMiddleware(hello), method="POST")[1]["body"]
