"""What is reached over HTTP: the API, as a client sees it, and the collector of traces."""

from __future__ import annotations

import http.client
import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from services import tracing
from services.doctor.findings import Finding, fail, ok, skipped, warn
from services.doctor.installation import Installation
from services.version import VERSION

ANSWER_WITHIN_S: Final = 10
MOST_BYTES: Final = 1024**2
OTLP_PORT: Final = 4318


def check_api(installation: Installation) -> Iterator[Finding]:
    """Ask the API how it is, whether it is the same version, and whether the key is good."""
    if installation.api_url is None:
        yield skipped("api", "no address was given (--url https://…)")
        return
    try:
        status, alive = _get(installation, "/healthz")
        if status != http.HTTPStatus.OK or alive.get("status") != "ok":
            yield fail(
                "api", f"{installation.api_url}/healthz answers {status}", "Is this Karyobridge's address?"
            )
            return
        yield _judge_version(str(alive.get("version")))
        yield _judge_readiness(*_get(installation, "/readyz"))
        yield _judge_key(installation, *_get(installation, "/v1/jobs?limit=1"))
    except (urllib.error.URLError, OSError, ValueError, http.client.HTTPException) as error:
        yield fail(
            "api",
            f"{installation.api_url} cannot be reached: {error}",
            "Check the address, that `python -m api` runs, the proxy in front of it and its certificate.",
        )


def _judge_version(version: str) -> Finding:
    if version == VERSION:
        return ok("api", f"up, version {version} as here")
    return warn(
        "api", f"up, version {version}, and this is {VERSION}", "Update all processes to one release."
    )


def _judge_readiness(status: int, answer: dict[str, Any]) -> Finding:
    if status == http.HTTPStatus.OK:
        return ok("api readiness", "database, broker and store answer it")
    away = ", ".join(part["name"] for part in answer.get("parts", []) if not part["ok"]) or f"status {status}"
    return fail(
        "api readiness", f"it cannot reach: {away}", "Check that the API has the settings that are used here."
    )


def _judge_key(installation: Installation, status: int, answer: dict[str, Any]) -> Finding:
    if status == http.HTTPStatus.OK:
        return ok("api key", "accepted" if installation.api_key else "not needed, or not asked for")
    reason = answer.get("detail", f"status {status}")
    if status == http.HTTPStatus.UNAUTHORIZED and installation.api_key is None:
        return skipped("api key", "one is needed, and none was given (KARYOBRIDGE_API_KEY)")
    return fail("api key", f"refused: {reason}", "Make one with `python -m api.keys create`.")


def _get(installation: Installation, path: str) -> tuple[int, dict[str, Any]]:
    url = f"{(installation.api_url or '').rstrip('/')}{path}"
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("an address begins with http:// or https://")
    headers = {"Accept": "application/json"}
    if installation.api_key is not None:
        headers["Authorization"] = f"Bearer {installation.api_key}"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme was just checked
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_WITHIN_S) as answer:  # noqa: S310 - as above
            return answer.status, _decoded(answer.read(MOST_BYTES))
    except urllib.error.HTTPError as error:
        return error.code, _decoded(error.read(MOST_BYTES))


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def check_collector(_: Installation) -> Iterator[Finding]:
    """Look whether the collector of traces listens, if there is to be one."""
    if not tracing.wanted():
        yield skipped("traces", f"off; {tracing.ENDPOINT_VARIABLES[0]} switches them on")
        return
    endpoint = next(value for name in reversed(tracing.ENDPOINT_VARIABLES) if (value := os.environ.get(name)))
    parts = urlsplit(endpoint)
    try:
        port = parts.port or (443 if parts.scheme == "https" else OTLP_PORT)
        with socket.create_connection((parts.hostname or "", port), ANSWER_WITHIN_S):
            yield ok("traces", f"the collector at {parts.hostname}:{port} listens")
    except (OSError, ValueError) as error:
        yield warn(
            "traces",
            f"the collector cannot be reached: {error}",
            "Check OTEL_EXPORTER_OTLP_ENDPOINT (http://host:4318); until then, spans are dropped.",
        )
