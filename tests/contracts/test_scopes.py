"""Every route by every kind of caller: who is let in, who is refused, and how.

The table is written by hand, not read from the code: a new route fails here until somebody has decided
who may use it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import httpx
import pytest
from sqlalchemy import update

from api.app import create_app
from api.routing import routes_of
from api.wiring import wire
from services.auth import ApiKeyService, Scope
from services.clock import utc_now
from services.config import Settings
from services.db.tables import ApiKeyRow
from services.jobs.dispatch import NullDispatcher
from tests.support.http import serving

pytestmark = pytest.mark.integration

_ARTIFACT: Final = "/v1/artifacts/{kind}/{name}/{version_or_alias}"
_FILTER: Final = "/v1/artifacts/filter/{name}/{version_or_alias}"
_STUDY: Final = "/v1/artifacts/study/{name}/{version_or_alias}"

ROUTES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "open": {"GET": ("/healthz", "/readyz", "/metrics")},
    "read": {
        "GET": (
            "/v1/batches",
            "/v1/batches/{batch_id}",
            "/v1/images",
            "/v1/images/{image_id}",
            "/v1/images/{image_id}/content",
            "/v1/images/{image_id}/links",
            "/v1/images/{image_id}/preview.png",
            "/v1/images/{image_id}/masks",
            "/v1/images/{image_id}/masks.tif",
            "/v1/images/{image_id}/masks.geojson",
            "/v1/images/{image_id}/rois.zip",
            "/v1/images/{image_id}/overlay.png",
            "/v1/jobs",
            "/v1/jobs/{job_id}",
            "/v1/jobs/{job_id}/items",
            "/v1/jobs/{job_id}/events",
            "/v1/jobs/{job_id}/predictions.csv",
            "/v1/jobs/{job_id}/predictions.parquet",
            "/v1/jobs/{job_id}/filtering",
            "/v1/jobs/{job_id}/filter_scores.csv",
            "/v1/jobs/{job_id}/map.html",
            "/v1/jobs/{job_id}/map.png",
            "/v1/jobs/{job_id}/quality",
            "/v1/jobs/{job_id}/quality/{picture}.png",
            "/v1/jobs/{job_id}/samples.png",
            "/v1/crops",
            "/v1/crops/suggestions",
            "/v1/crops/{crop_id}",
            "/v1/crops/{crop_id}/image.png",
            "/v1/crops/{crop_id}/embedding",
            "/v1/crops/{crop_id}/similar",
            "/v1/datasets",
            "/v1/datasets/{name}",
            "/v1/datasets/{name}/{version}",
            "/v1/datasets/{name}/{version}/items",
            "/v1/datasets/{name}/{version}/export",
            "/v1/artifacts",
            "/v1/artifacts/{kind}/{name}",
            _ARTIFACT,
            f"{_ARTIFACT}/content",
            f"{_ARTIFACT}/links",
            f"{_ARTIFACT}/files/{{filename}}",
            f"{_FILTER}/plot.png",
            f"{_FILTER}/map.html",
            f"{_FILTER}/difference",
            f"{_STUDY}/report.html",
            f"{_STUDY}/report.pdf",
            f"{_STUDY}/results.json",
            f"{_STUDY}/{{table}}.csv",
            "/v1/studies",
        ),
        "POST": (f"{_FILTER}/score", "/v1/studies/plan"),
    },
    "submit": {
        "GET": ("/v1/uploads/{upload_id}",),
        "POST": (
            "/v1/batches",
            "/v1/uploads",
            "/v1/jobs",
            "/v1/jobs/{job_id}/cancel",
            "/v1/jobs/{job_id}/retry",
            "/v1/datasets",
            "/v1/artifacts/{kind}",
        ),
        "PUT": ("/v1/uploads/{upload_id}/content",),
    },
    "review": {
        "PUT": (
            "/v1/images/{image_id}/masks",
            "/v1/crops/annotations",
            "/v1/crops/{crop_id}/annotation",
            "/v1/jobs/{job_id}/filtering",
        ),
    },
    "admin": {
        "GET": (
            "/v1/keys",
            "/v1/audit",
            "/v1/webhooks",
            "/v1/webhooks/{webhook_id}",
            "/v1/webhooks/{webhook_id}/deliveries",
        ),
        "POST": (
            "/v1/keys",
            "/v1/keys/{key_id}/rotate",
            "/v1/webhooks",
            "/v1/webhooks/{webhook_id}/rotate",
            "/v1/webhooks/{webhook_id}/enable",
            "/v1/webhooks/{webhook_id}/test",
            "/v1/webhooks/{webhook_id}/deliveries/{message_id}/redeliver",
        ),
        "PUT": ("/v1/artifacts/{kind}/{name}/aliases/{alias}",),
        "DELETE": ("/v1/keys/{key_id}", "/v1/webhooks/{webhook_id}"),
    },
}
NEEDED: Final = {
    (method, path): scope
    for scope, methods in ROUTES.items()
    for method, paths in methods.items()
    for path in paths
}
SCOPES: Final[tuple[Scope, ...]] = ("read", "submit", "review", "admin")
STRANGERS: Final = ("no key", "unknown", "revoked", "expired")
# Values that exist nowhere: whoever is let in gets 404 or 422, and nothing is changed.
VALUES: Final = {"kind": "segmenter", "table": "runs", "version": "1"}

LET_IN: Final = "let in"
REFUSED: Final = {401: "unauthenticated", 403: "forbidden"}


class Gate:
    """A running server that wants keys, and a client for every kind of caller."""

    def __init__(self, address: str, keys: dict[str, str]) -> None:
        self.address = address
        self._keys = keys

    def client(self, caller: str) -> httpx.Client:
        """Open a client with the key of a kind of caller, or without one."""
        key = self._keys.get(caller)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.address, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def gate(http_settings: Settings) -> Iterator[Gate]:
    """Keys of every kind; nobody is limited, since strangers are what is tested here."""
    limits = {"rate_limit_per_minute": 0, "auth_failures_per_minute": 0}
    wired = wire(http_settings.model_copy(update={"require_api_key": True, **limits}))
    with wired.sessions.begin() as session:
        service = ApiKeyService(session)

        def made(*scopes: Scope) -> tuple[str, str]:
            issued = service.create(str(uuid.uuid4()), scopes)
            return issued.key, issued.record.id

        keys = {scope: made(scope)[0] for scope in SCOPES}
        keys["unknown"] = "kb_" + "x" * 43
        keys["revoked"], revoked_id = made("admin")
        keys["expired"], expired_id = made("admin")
        service.revoke(revoked_id)
        past = utc_now() - timedelta(seconds=1)
        session.execute(update(ApiKeyRow).where(ApiKeyRow.id == expired_id).values(expires_at=past))
    with serving(wired) as address:
        yield Gate(address, keys)


def expected(caller: str, needed: str) -> int | str:
    """What the table says: a status, or `LET_IN`."""
    if needed == "open":
        return LET_IN
    if caller in STRANGERS:
        return 401
    return LET_IN if caller in (needed, "admin") else 403


def ask(client: httpx.Client, method: str, path: str) -> httpx.Response:
    """Send a request that can do nothing, whoever is let in."""
    filled = re.sub(r"\{(\w+)\}", lambda name: VALUES.get(name[1], "none"), path)
    return client.request(method, filled, json={} if method in ("POST", "PUT") else None)


def decided(answer: httpx.Response) -> int | str:
    """How an answer decided; a failure of the server is no decision."""
    assert answer.status_code < 500 or answer.url.path == "/readyz", f"{answer.url}: {answer.text}"
    return answer.status_code if answer.status_code in REFUSED else LET_IN


def test_every_route_is_in_the_table() -> None:
    """No route came without somebody deciding who may use it, and none left a hole in the table."""
    nothing = Settings(_env_file=None, database_url="postgresql+psycopg://", object_store_url="memory:///")
    app = create_app(wire(nothing, dispatcher=NullDispatcher()))
    routes = {(method, route.path) for route in routes_of(app) for method in route.methods or ()}

    assert routes == set(NEEDED)


class TestCallers:
    @pytest.mark.parametrize("caller", [*STRANGERS, *SCOPES])
    def test_are_let_in_where_the_table_says(self, gate: Gate, caller: str) -> None:
        """Everywhere else the answer is 401 for a stranger and 403 for a key without the scope."""
        with gate.client(caller) as client:
            found = {route: decided(ask(client, *route)) for route in NEEDED}

        assert {route: expected(caller, needed) for route, needed in NEEDED.items()} == found

    @pytest.mark.parametrize("caller", ["no key", "submit", "admin"])
    def test_learn_no_more_by_head(self, gate: Gate, caller: str) -> None:
        """HEAD is let in where GET is."""
        read = {route: needed for route, needed in NEEDED.items() if route[0] == "GET"}
        with gate.client(caller) as client:
            found = {route: decided(ask(client, "HEAD", route[1])) for route in read}

        assert {route: expected(caller, needed) for route, needed in read.items()} == found


class TestRefusals:
    def test_say_the_same_to_every_stranger_with_a_key(self, gate: Gate) -> None:
        """Unknown, revoked and expired keys get one answer, whatever they ask for, down to its headers."""
        told = set()
        for caller in ("unknown", "revoked", "expired"):
            with gate.client(caller) as client:
                for method, path in (("GET", "/v1/jobs"), ("POST", "/v1/batches"), ("DELETE", "/v1/keys/x")):
                    answer = ask(client, method, path)
                    problem = {**answer.json(), "instance": "", "request_id": ""}
                    told.add((answer.status_code, str(problem), str(sorted(answer.headers))))

        assert 1 == len(told)
        assert {401} == {status for status, _, _ in told}

    def test_name_the_scope_that_is_missing(self, gate: Gate) -> None:
        """A key without the scope learns which one it lacks."""
        with gate.client("read") as client:
            answer = ask(client, "GET", "/v1/keys")

        assert (403, "forbidden") == (answer.status_code, answer.json()["code"])
        assert "'admin'" in answer.json()["detail"]

    def test_options_tell_nobody_anything(self, gate: Gate) -> None:
        """No page of another origin is let in, and the methods of a path are told to everybody alike."""
        asking = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
        with gate.client("no key") as stranger, gate.client("admin") as admin:
            stranger.headers.update(asking)
            admin.headers.update(asking)
            answers = {path: ask(stranger, "OPTIONS", path) for _, path in NEEDED}
            same = ask(admin, "OPTIONS", "/v1/keys/{key_id}")

        assert {405} == {one.status_code for one in answers.values()}
        assert [] == [path for path, one in answers.items() if "access-control-allow-origin" in one.headers]
        assert ("DELETE", "DELETE") == (
            same.headers["allow"],
            answers["/v1/keys/{key_id}"].headers["allow"],
        )

    def test_other_spellings_lead_nowhere(self, gate: Gate) -> None:
        """No detour around the table: what is not exactly a route is 404, for everybody."""
        with gate.client("no key") as client:
            for path in ("/v1/none", "/v1", "/v1/keys/", "/V1/keys", "//v1/keys", "/v1/jobs%2f..%2fkeys"):
                raw = client.build_request("GET", "/").url.copy_with(raw_path=path.encode())
                answer = client.get(raw)

                assert answer.status_code in (401, 404), path
                assert "items" not in answer.json()
