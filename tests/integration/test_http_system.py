"""The service itself, over HTTP: probes, metrics, documents, and errors of the framework."""

from __future__ import annotations

import re
import time

import httpx
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from api.app import create_app
from api.wiring import wire
from services.config import Settings
from tests.support.http import serving

pytestmark = pytest.mark.integration

NOBODY_IS_THERE = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ALLOW_HTTP": "true",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_REGION": "us-east-1",
}


class TestProbes:
    def test_process_is_up(self, client: httpx.Client) -> None:
        """`/healthz` answers without asking any other part."""
        answer = client.get("/healthz")

        assert (200, "ok") == (answer.status_code, answer.json()["status"])

    def test_every_part_is_ready(self, client: httpx.Client) -> None:
        """`/readyz` names database, broker and store."""
        answer = client.get("/readyz")

        assert 200 == answer.status_code
        assert {"database": True, "broker": True, "store": True} == {
            part["name"]: part["ok"] for part in answer.json()["parts"]
        }

    @pytest.mark.parametrize(
        ("away", "changes"),
        [
            ("database", {"database_url": SecretStr("postgresql+psycopg://u@127.0.0.1:1/x")}),
            ("broker", {"broker_url": SecretStr("redis://127.0.0.1:1/0")}),
            ("store", {"object_store_url": "s3://bucket/prefix"}),
        ],
    )
    def test_part_that_is_away_is_named(
        self,
        http_settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
        away: str,
        changes: dict[str, object],
    ) -> None:
        """A part that does not answer makes the service not ready, by name; the process stays up."""
        if away == "store":
            for name, value in NOBODY_IS_THERE.items():
                monkeypatch.setenv(name, value)
        started = time.monotonic()
        with (
            serving(wire(http_settings.model_copy(update=changes))) as url,
            httpx.Client(base_url=url, timeout=30) as client,
        ):
            ready, alive = client.get("/readyz"), client.get("/healthz")

        assert (503, 200) == (ready.status_code, alive.status_code)
        assert [away] == [part["name"] for part in ready.json()["parts"] if not part["ok"]]
        assert all(part["detail"] for part in ready.json()["parts"] if not part["ok"])
        assert time.monotonic() - started < 20

    def test_request_without_database_is_503(self, http_settings: Settings) -> None:
        """A request that needs the database says that it is away, and when to come back."""
        settings = http_settings.model_copy(
            update={"database_url": SecretStr("postgresql+psycopg://u@127.0.0.1:1/x")}
        )
        with serving(wire(settings)) as url, httpx.Client(base_url=url, timeout=30) as client:
            answer, metrics = client.get("/v1/jobs"), client.get("/metrics")

        assert (503, "database_unavailable") == (answer.status_code, answer.json()["code"])
        assert "retry-after" in answer.headers
        assert "127.0.0.1" not in answer.text
        assert "karyobridge_job_metrics_up 0.0" in metrics.text


class TestMetrics:
    def test_requests_are_counted_by_route(self, client: httpx.Client) -> None:
        """Requests are counted by route template, so that ids do not make endless series."""
        client.get("/v1/jobs/job_none")
        client.get("/no/such/path")
        metrics = client.get("/metrics").text

        assert (
            'karyobridge_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"}' in metrics
        )
        assert 'route="unmatched",status="404"' in metrics
        assert "job_none" not in metrics

    def test_jobs_are_counted(self, client: httpx.Client) -> None:
        """Jobs come from the database, whichever process ran them."""
        client.post("/v1/jobs", json={"kind": "diagnostic"})

        assert 'karyobridge_jobs_unfinished{kind="diagnostic",priority="9"' in client.get("/metrics").text


class TestFrameworkErrors:
    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/no/such/path", 404, "not_found"),
            ("GET", "/v1/jobs/", 404, "not_found"),
            ("GET", "/v1/jobs/%00", 404, "not_found"),
            ("GET", "/v1/jobs/..%2F..%2Fetc%2Fpasswd", 404, "not_found"),
            ("DELETE", "/v1/jobs", 405, "method_not_allowed"),
            ("BREW", "/healthz", 405, "method_not_allowed"),
            ("GET", "/healthz?x=1", 422, "invalid_input"),
        ],
    )
    def test_is_a_problem(self, client: httpx.Client, method: str, path: str, status: int, code: str) -> None:
        """Errors that no route raises have the same shape as the others."""
        answer = client.request(method, path)

        assert "application/problem+json" == answer.headers["content-type"]
        assert (status, code) == (answer.status_code, answer.json()["code"])
        assert answer.headers["x-request-id"] == answer.json()["request_id"]

    def test_405_names_every_method(self, client: httpx.Client) -> None:
        """Allow has the methods of all routes of the path."""
        assert "GET, HEAD, POST" == client.delete("/v1/jobs").headers["allow"]

    def test_large_json_is_413(self, client: httpx.Client) -> None:
        """A JSON body over the limit is refused, told or chunked."""
        headers = {"content-type": "application/json"}
        told = client.post("/v1/jobs", content=b" " * (3 * 1024**2), headers=headers)
        chunked = client.post("/v1/jobs", content=(b" " * 65536 for _ in range(64)), headers=headers)

        assert {(413, "too_large")} == {(one.status_code, one.json()["code"]) for one in (told, chunked)}

    @pytest.mark.parametrize("offered", ["", "a b", "x" * 65, "a\tb"])
    def test_unusable_request_id_is_replaced(self, client: httpx.Client, offered: str) -> None:
        """A request id that could confuse logs is not taken over."""
        answer = client.get("/healthz", headers={"X-Request-ID": offered})

        assert answer.headers["x-request-id"].startswith("req_")

    def test_fault_shows_nothing(self, http_settings: Settings) -> None:
        """A fault of ours is a 500 with an id to quote and no word of what happened; the log has it."""

        def fail() -> None:
            raise RuntimeError("secret detail")

        app = create_app(wire(http_settings))
        app.add_api_route("/fault", fail)
        with capture_logs() as logs, serving(app) as url, httpx.Client(base_url=url) as client:
            answer = client.get("/fault")
        crash = next(entry for entry in logs if entry["event"] == "request crashed")

        assert (500, "internal_error") == (answer.status_code, answer.json()["code"])
        assert answer.headers["x-request-id"] == answer.json()["request_id"] == crash["request_id"]
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
        assert "secret detail" == str(crash["exc_info"])


class TestDocuments:
    def test_page_needs_nothing_from_elsewhere(self, client: httpx.Client) -> None:
        """`/docs` names every path, and loads nothing over the network."""
        document = client.get("/v1/openapi.json").json()
        page = client.get("/docs").text

        assert [] == [path for path in document["paths"] if path not in page]
        assert "<script" not in page
        # Addresses in examples are text; what a browser follows or loads stands in one of these.
        assert ["/v1/openapi.json"] == re.findall(
            r"""(?:src|href|srcset|data)\s*=\s*["']?([^"'\s>]*)""", page
        )
        assert [] == re.findall(r"url\(|@import|<(?:link|iframe|object|embed|base|meta http-equiv)", page)
