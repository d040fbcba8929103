"""What every answer tells browsers, and names that the service does not answer to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.datastructures import Headers

from api.headers import SecurityHeadersMiddleware
from api.hosts import AllowedHostsMiddleware


def call(app: Any, path: str = "/x", host: str = "a.org", **scope: Any) -> tuple[int, Headers, bytes]:
    """Send one request through an ASGI application; returns status, headers and body of its answer."""
    sent: list[dict[str, Any]] = []
    told = {"type": "http", "method": "GET", "path": path, "headers": [(b"host", host.encode())]} | scope

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(dict(message))

    asyncio.run(app({"query_string": b"", **told}, receive, send))
    return sent[0]["status"], Headers(raw=sent[0]["headers"]), sent[1]["body"]


def answering(**headers: str) -> Any:
    """An application that answers 200 with these headers."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        await send({"type": "http.response.body", "body": b"{}"})

    return app


class TestSecurityHeaders:
    def test_every_answer_is_shut_tight(self) -> None:
        """Nothing is guessed, loaded, framed, told to others or kept."""
        _, headers, _ = call(SecurityHeadersMiddleware(answering()))

        assert {
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-resource-policy": "same-origin",
            "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
            "cache-control": "no-store",
        } == dict(headers)

    def test_what_a_route_says_counts(self) -> None:
        """A page has its own policy, and a picture may be kept."""
        app = SecurityHeadersMiddleware(answering(content_security_policy="x", cache_control="private"))
        _, headers, _ = call(app)

        assert ["x"] == headers.getlist("content-security-policy")
        assert ["private"] == headers.getlist("cache-control")

    @pytest.mark.parametrize(("scheme", "told"), [("http", None), ("https", "max-age=31536000")])
    def test_tls_is_demanded_only_over_tls(self, scheme: str, told: str | None) -> None:
        """A laboratory that uses plain HTTP inside is not locked out by its own service."""
        _, headers, _ = call(SecurityHeadersMiddleware(answering()), scheme=scheme)

        assert told == headers.get("strict-transport-security")

    def test_limit_of_the_key_is_told(self) -> None:
        """The policy that a request was counted under is on its answer."""
        app = SecurityHeadersMiddleware(answering())
        _, headers, _ = call(app, state={"rate_policy": '"per-key";q=5;w=60'})

        assert '"per-key";q=5;w=60' == headers["ratelimit-policy"]


class TestAllowedHosts:
    @pytest.mark.parametrize("host", ["a.org", "a.org:8000"])
    def test_known_name_is_answered(self, host: str) -> None:
        """The names that the operator gave lead on."""
        assert 200 == call(AllowedHostsMiddleware(answering(), ("a.org",)), host=host)[0]

    def test_other_name_is_a_problem(self) -> None:
        """Another name is refused in the one shape of every error."""
        status, headers, body = call(AllowedHostsMiddleware(answering(), ("a.org",)), host="evil.org")

        assert (421, "application/problem+json") == (status, headers["content-type"])
        assert "unknown_host" == json.loads(body)["code"]

    def test_probes_come_by_address(self) -> None:
        """An orchestrator that asks a process by its address gets its answer."""
        app = AllowedHostsMiddleware(answering(), ("a.org",))

        assert 200 == call(app, path="/healthz", host="10.1.2.3:8000")[0]
