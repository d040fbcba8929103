"""Limits, hosts, pages of other origins and proxies, at a running server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from api.rates import RateLimitedError, RateLimits
from api.wiring import wire
from services.auth import ApiKeyService, Scope
from services.config import Settings
from services.embedded.redis import EmbeddedRedis
from tests.support.fleet import eventually
from tests.support.http import Guarded, serving

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


@contextmanager
def guarded_by(settings: Settings, **changed: object) -> Iterator[Guarded]:
    """Serve with keys and other settings."""
    wired = wire(settings.model_copy(update={"require_api_key": True, **changed}))
    scopes: list[Scope] = ["read"]
    with wired.sessions.begin() as session:
        issued = ApiKeyService(session).create(f"limits {uuid.uuid4()}", scopes)
    try:
        with serving(wired) as url:
            yield Guarded(url, issued.key)
    finally:
        wired.close()


class TestRequests:
    def test_one_too_many_is_a_429(self, http_settings: Settings) -> None:
        """The answer says why and when to come back; probes and another key are not concerned."""
        with guarded_by(http_settings, rate_limit_per_minute=3) as server, server.client() as client:
            answers = [client.get("/v1/jobs") for _ in range(4)]
            probe = client.get("/healthz")
        told = answers[3].json()

        assert [200, 200, 200, 429] == [answer.status_code for answer in answers]
        assert ("rate_limited", "application/problem+json") == (
            told["code"],
            answers[3].headers["content-type"],
        )
        assert 1 <= int(answers[3].headers["retry-after"]) <= 60
        assert {'"per-key";q=3;w=60'} == {answer.headers["ratelimit-policy"] for answer in answers}
        assert answers[3].headers["ratelimit"].startswith('"per-key";r=0;t=')
        assert (200, False) == (probe.status_code, "ratelimit-policy" in probe.headers)

    def test_local_caller_is_not_limited(self, http_settings: Settings) -> None:
        """Whoever needs no key has no limit either."""
        with serving(wire(http_settings.model_copy(update={"rate_limit_per_minute": 1}))) as url:
            answers = [httpx.get(f"{url}/v1/jobs") for _ in range(3)]

        assert [200] * 3 == [answer.status_code for answer in answers]
        assert "ratelimit-policy" not in answers[0].headers


class TestWrongKeys:
    def test_guessing_is_stopped(self, http_settings: Settings) -> None:
        """After so many different wrong keys the address is shut out, with a right key as well."""
        with guarded_by(http_settings, auth_failures_per_minute=3) as server:
            guesses = [httpx.get(f"{server.address}/v1/jobs", headers=bearer(str(n))) for n in range(4)]
            with server.client() as client:
                right = client.get("/v1/jobs")
            probe = httpx.get(f"{server.address}/healthz")

        assert [401, 401, 401, 429] == [answer.status_code for answer in guesses]
        assert (429, "too_many_wrong_keys") == (right.status_code, right.json()["code"])
        assert 1 <= int(right.headers["retry-after"]) <= 60
        assert 200 == probe.status_code

    def test_forgotten_keys_and_old_ones_shut_nobody_out(self, http_settings: Settings) -> None:
        """No key at all is no guess, and the same wrong key again is the same guess."""
        with guarded_by(http_settings, auth_failures_per_minute=2) as server:
            for _ in range(5):
                assert 401 == httpx.get(f"{server.address}/v1/jobs").status_code
                assert 401 == httpx.get(f"{server.address}/v1/jobs", headers=bearer("old")).status_code
            with server.client() as client:
                assert 200 == client.get("/v1/jobs").status_code


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


class TestShared:
    def test_processes_count_together_and_apart_when_redis_is_away(self, tmp_path: Path) -> None:
        """Two processes share a limit through Redis; without it each goes on by itself, and nothing fails."""
        with EmbeddedRedis(tmp_path) as redis:
            settings = Settings(
                _env_file=None,
                rate_limit_per_minute=4,
                rate_limit_storage_url=SecretStr(shared_url(redis.url)),
            )
            first, second = RateLimits(settings), RateLimits(settings)
            together = sum(passes(rates, "key_a") for rates in (first, second) * 4)
        apart = [sum(passes(rates, "key_a") for _ in range(6)) for rates in (first, second)]

        assert 4 == together
        assert [4, 4] == apart

    def test_redis_that_was_never_there(self) -> None:
        """A service starts and limits without the Redis that it was told of."""
        url = SecretStr("redis://:secret-word@127.0.0.1:9/1")
        rates = RateLimits(Settings(_env_file=None, rate_limit_per_minute=2, rate_limit_storage_url=url))

        assert [True, True, False] == [passes(rates, "key_a") for _ in range(3)]


def shared_url(broker_url: str) -> str:
    """The broker's address as one of plain Redis."""
    return broker_url.replace("redis+socket://", "redis+unix://")


def passes(rates: RateLimits, caller: str) -> bool:
    try:
        rates.count(caller)
    except RateLimitedError:
        return False
    return True


class TestBrowsers:
    def test_other_origins_are_told_nothing_by_default(self, client: httpx.Client) -> None:
        """Without CORS_ORIGINS no page of another origin may read an answer."""
        answer = client.get("/v1/jobs", headers={"Origin": "https://lims.example.org"})
        asked = client.options(
            "/v1/jobs",
            headers={"Origin": "https://lims.example.org", "Access-Control-Request-Method": "GET"},
        )

        assert [] == [name for name in answer.headers if name.startswith("access-control")]
        assert 405 == asked.status_code

    def test_named_origin_may_call(self, http_settings: Settings) -> None:
        """Exactly the named page may, with a key that it must have, also to read an error."""
        origin = "https://lims.example.org"
        with guarded_by(http_settings, cors_origins=origin) as server:
            asked = httpx.options(
                f"{server.address}/v1/jobs",
                headers={
                    "Origin": origin,
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "authorization,idempotency-key,content-type",
                },
            )
            refused = httpx.get(f"{server.address}/v1/jobs", headers={"Origin": origin})
            other = httpx.get(f"{server.address}/v1/jobs", headers={"Origin": f"{origin}.evil.org"})

        assert (200, origin) == (asked.status_code, asked.headers["access-control-allow-origin"])
        assert "access-control-allow-credentials" not in asked.headers
        assert (401, origin) == (refused.status_code, refused.headers["access-control-allow-origin"])
        assert "access-control-allow-origin" not in other.headers

    @pytest.mark.parametrize(
        ("path", "policy"),
        [
            ("/v1/jobs", "default-src 'none'; frame-ancestors 'none'"),
            ("/v1/nothing", "default-src 'none'; frame-ancestors 'none'"),
            ("/healthz", "default-src 'none'; frame-ancestors 'none'"),
        ],
    )
    def test_every_answer_has_the_headers(self, client: httpx.Client, path: str, policy: str) -> None:
        """Answers, errors and probes alike."""
        headers = client.get(path).headers

        assert (policy, "nosniff", "no-referrer") == (
            headers["content-security-policy"],
            headers["x-content-type-options"],
            headers["referrer-policy"],
        )

    def test_reference_page_has_its_own_style_and_no_script(self, client: httpx.Client) -> None:
        """The page of the documentation may use its own style, and nothing else."""
        policy = client.get("/docs").headers["content-security-policy"]

        assert "style-src 'unsafe-inline'" in policy
        assert "script-src" not in policy
        assert "default-src 'none'" in policy


class TestHosts:
    def test_other_names_are_refused(self, http_settings: Settings) -> None:
        """With ALLOWED_HOSTS set, a request for another name is a problem; probes come by address."""
        with serving(wire(http_settings.model_copy(update={"allowed_hosts": "kb.example.org"}))) as url:
            named = httpx.get(f"{url}/v1/jobs", headers={"Host": "kb.example.org"})
            other = httpx.get(f"{url}/v1/jobs")
            probe = httpx.get(f"{url}/healthz")

        assert [200, 421, 200] == [answer.status_code for answer in (named, other, probe)]
        assert "unknown_host" == other.json()["code"]
        assert other.json()["request_id"] == other.headers["x-request-id"]


class TestProxies:
    def test_trusted_proxy_says_who_calls_and_how(self, http_settings: Settings, tmp_path: Path) -> None:
        """Behind a proxy each client is counted by itself, and an answer over TLS demands TLS."""
        with process(http_settings, tmp_path, FORWARDED_ALLOW_IPS="127.0.0.1") as url:
            statuses = {
                (client, key): httpx.get(f"{url}/v1/jobs", headers=through_proxy(client, key)).status_code
                for client in ("192.0.2.1", "192.0.2.2")
                for key in ("a", "b", "c")
            }
            headers = httpx.get(f"{url}/healthz", headers=through_proxy("192.0.2.3", "")).headers

        assert [401, 401, 429] * 2 == list(statuses.values())
        assert "max-age=31536000" == headers["strict-transport-security"]

    def test_stranger_is_not_believed(self, http_settings: Settings) -> None:
        """Whoever is no trusted proxy cannot choose the address that it is counted under."""
        changed = {"require_api_key": True, "auth_failures_per_minute": 2}
        wired = wire(http_settings.model_copy(update=changed))
        with serving(wired, forwarded_allow_ips="192.0.2.99") as url:
            statuses = [
                httpx.get(f"{url}/v1/jobs", headers=through_proxy(f"192.0.2.{n}", str(n))).status_code
                for n in range(3)
            ]
            headers = httpx.get(f"{url}/healthz", headers=through_proxy("192.0.2.3", "")).headers

        assert [401, 401, 429] == statuses
        assert "strict-transport-security" not in headers


def through_proxy(client: str, key: str) -> dict[str, str]:
    """What a proxy in front says of a client that came by TLS."""
    return {"X-Forwarded-For": client, "X-Forwarded-Proto": "https", **(bearer(key) if key else {})}


@contextmanager
def process(settings: Settings, folder: Path, **changed: str) -> Iterator[str]:
    """Run `python -m api` as an operator does; yields its address once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    told = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "BROKER_URL": settings.broker_url.get_secret_value(),
        "OBJECT_STORE_URL": settings.object_store_url,
        "BOOTSTRAP_ADMIN_KEY": "k" * 40,
        "REQUIRE_API_KEY": "true",
        "AUTH_FAILURES_PER_MINUTE": "2",
        "PORT": str(port),
    }
    url = f"http://127.0.0.1:{port}"
    with (folder / "api.log").open("wb") as log:
        command = [sys.executable, "-m", "api"]
        started = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **told, **changed}, stderr=log)
    try:
        eventually(lambda: answers(url) or None, "an answer of the API")
        yield url
    finally:
        started.terminate()
        started.wait(60)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False
