"""Who may call: keys, scopes, the first key and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import delete, select, update

from api import keys as command
from api.app import prepare_keys
from api.wiring import Wiring, wire
from client import Client
from services import audit
from services.auth import ApiKeyService
from services.clock import utc_now
from services.config import Settings
from services.db.tables import ApiKeyRow
from services.errors import InvalidInputError
from tests.support.http import Guarded

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def make(admin: httpx.Client, *scopes: str) -> dict[str, str]:
    issued: dict[str, str] = admin.post(
        "/v1/keys", json={"name": str(uuid.uuid4()), "scopes": list(scopes)}
    ).json()
    return issued


class TestKeys:
    def test_secret_is_shown_once_and_stored_hashed(self, guarded: Guarded, wiring: Wiring) -> None:
        """A new key has its secret; the list has not, and the database has only a digest."""
        with guarded.client() as admin:
            issued = make(admin, "read")
            listed = admin.get("/v1/keys", params={"limit": 1000}).json()["items"]
        with wiring.readers() as session:
            row = session.get_one(ApiKeyRow, issued["id"])

        assert issued["key"].startswith("kb_")
        assert [] == [key for key in listed if "key" in key]
        assert issued["key"] not in (row.key_sha256, row.name)

    def test_revoked_key_is_useless(self, guarded: Guarded, wiring: Wiring) -> None:
        """A revoked key is refused from the next request on, and stays in the list and the audit trail."""
        with guarded.client() as admin:
            issued = make(admin, "read")
            revoked = admin.delete(f"/v1/keys/{issued['id']}").json()
            again = admin.delete(f"/v1/keys/{issued['id']}").json()
        with guarded.client(issued["key"]) as client:
            answer = client.get("/v1/jobs")
        with wiring.readers() as session:
            trail = [row.action for row in audit.history(session, issued["id"])]

        assert revoked["revoked_at"] is not None
        assert revoked == again
        assert (401, "unauthenticated") == (answer.status_code, answer.json()["code"])
        assert ["key.created", "key.revoked", "key.revoked"] == trail

    @pytest.mark.parametrize(
        "body",
        [
            {"name": "x", "scopes": []},
            {"name": "x", "scopes": ["root"]},
            {"name": "", "scopes": ["read"]},
            {"name": "a\0", "scopes": ["read"]},
            {"scopes": ["read"]},
        ],
    )
    def test_wrong_key(self, client: httpx.Client, body: dict[str, object]) -> None:
        """A key without name or known scopes is refused."""
        assert 422 == client.post("/v1/keys", json=body).status_code

    def test_names_are_not_reused(self, guarded: Guarded) -> None:
        """Two keys cannot share a name, which the audit trail shows."""
        with guarded.client() as admin:
            name = make(admin, "read")["name"]
            answer = admin.post("/v1/keys", json={"name": name, "scopes": ["read"]})

        assert (409, "conflict") == (answer.status_code, answer.json()["code"])


class TestEnds:
    def test_key_ends_when_it_said(self, guarded: Guarded, wiring: Wiring) -> None:
        """A key with an end works until then, and is refused like any other that does not."""
        body = {"name": str(uuid.uuid4()), "scopes": ["read"], "expires_at": "2030-01-01T00:00:00+02:00"}
        with guarded.client() as admin:
            issued = admin.post("/v1/keys", json=body).json()
        with guarded.client(issued["key"]) as client:
            before = client.get("/v1/jobs").status_code
            with wiring.sessions.begin() as session:
                change = update(ApiKeyRow).where(ApiKeyRow.id == issued["id"])
                session.execute(change.values(expires_at=utc_now()))
            after = client.get("/v1/jobs").status_code

        assert "2029-12-31T22:00:00Z" == issued["expires_at"]
        assert (200, 401) == (before, after)

    @pytest.mark.parametrize(
        "end", ["2020-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2030-01-01T00:00:00", "soon"]
    )
    def test_wrong_end(self, client: httpx.Client, end: str) -> None:
        """Past ends, ends in another age and times without a zone are refused, naming the field."""
        answer = client.post("/v1/keys", json={"name": "x", "scopes": ["read"], "expires_at": end})

        assert 422 == answer.status_code
        assert "expires_at" in answer.json()["errors"][0]["field"]


class TestRotation:
    def test_hands_over(self, guarded: Guarded) -> None:
        """Both keys work during the overlap; with no overlap only the new one does, and repeats are safe."""
        with guarded.client() as admin:
            old = make(admin, "read")
            path, once = f"/v1/keys/{old['id']}/rotate", {"Idempotency-Key": str(uuid.uuid4())}
            first = admin.post(path, json={"overlap_hours": 1}, headers=once)
            again = admin.post(path, json={"overlap_hours": 1}, headers=once)
            second = admin.post(path, json={})
            newest = admin.post(f"/v1/keys/{first.json()['id']}/rotate", json={"overlap_hours": 0}).json()
        statuses = []
        for key in (old["key"], first.json()["key"], newest["key"]):
            with guarded.client(key) as client:
                statuses.append(client.get("/v1/jobs").status_code)

        assert (201, old["id"]) == (first.status_code, first.json()["replaces"])
        assert first.json() | {"key": None} == again.json()
        assert (409, "conflict") == (second.status_code, second.json()["code"])
        assert [200, 401, 200] == statuses
        assert [f"{old['name']} #2", f"{old['name']} #3"] == [first.json()["name"], newest["name"]]

    @pytest.mark.parametrize("body", [{"overlap_hours": 169}, {"overlap_hours": -1}, {"overlap_hours": "1"}])
    def test_wrong_overlap(self, client: httpx.Client, body: dict[str, object]) -> None:
        """An overlap is 0 to 168 whole hours."""
        assert 422 == client.post("/v1/keys/key_none/rotate", json=body).status_code
        assert 404 == client.post("/v1/keys/key_none/rotate", json={}).status_code


class TestAudit:
    def test_client_reads_who_did_what(self, guarded: Guarded) -> None:
        """The trail of one key, through the Python client: made, replaced, revoked, and by whom."""
        with Client(guarded.address, guarded.admin_key) as admin:
            began = utc_now()
            made = admin.create_key(str(uuid.uuid4()), ["read"])
            successor = admin.rotate_key(made.id, overlap_hours=0)
            admin.revoke_key(made.id)
            entries = list(admin.audit(subject=made.id, since=began))
            created = list(admin.audit(action="key.created", since=began))
            used = [key.last_used_at for key in admin.api_keys() if key.id == successor.id]

        assert ["key.created", "key.rotated", "key.revoked"] == [entry.action for entry in entries]
        assert {made.id, successor.id} <= {entry.subject for entry in created}
        assert all(entry.actor.startswith("admin ") for entry in entries)
        assert [None] == used
        assert "kb_" not in str([entry.details for entry in [*entries, *created]])

    @pytest.mark.parametrize(
        "query", ["since=yesterday", "since=2026-01-01", "limit=0", "cursor=eA", "who=me", "actor="]
    )
    def test_wrong_question(self, client: httpx.Client, query: str) -> None:
        """Times need a zone, cursors are those of this list, and unknown filters are refused."""
        assert 422 == client.get(f"/v1/audit?{query}").status_code


class TestScopes:
    @pytest.mark.parametrize(
        ("scope", "method", "path"),
        [
            ("read", "GET", "/v1/jobs"),
            ("submit", "POST", "/v1/jobs"),
            ("review", "PUT", "/v1/crops/crop_none/annotation"),
            ("admin", "GET", "/v1/keys"),
            ("admin", "PUT", "/v1/artifacts/segmenter/x/aliases/production"),
        ],
    )
    def test_only_the_right_scope_passes(self, guarded: Guarded, scope: str, method: str, path: str) -> None:
        """A key with all other scopes is refused with 403; the one scope is enough."""
        body = {
            "POST": {"kind": "diagnostic"},
            "PUT": {"class": "normal", "annotator": "m"} if "crops" in path else {"version": 1},
        }.get(method)
        others = [one for one in ("read", "submit", "review") if one != scope]
        with guarded.client() as admin:
            wrong, right = make(admin, *others)["key"], make(admin, scope)["key"]
        with guarded.client(wrong) as client:
            refused = client.request(method, path, json=body)
        with guarded.client(right) as client:
            passed = client.request(method, path, json=body)

        assert (403, "forbidden") == (refused.status_code, refused.json()["code"])
        assert passed.status_code in (200, 202, 404)

    @pytest.mark.parametrize(
        "headers",
        [{}, {"Authorization": "Bearer nope"}, {"Authorization": "Basic eDp5"}, {"Authorization": ""}],
    )
    def test_stranger_is_refused(self, guarded: Guarded, headers: dict[str, str]) -> None:
        """Without a valid key nothing below /v1 answers, whatever else is wrong with the request."""
        with httpx.Client(base_url=guarded.address, headers=headers) as client:
            answers = [client.get("/v1/jobs"), client.get("/v1/crops?typo=1"), client.get("/v1/images/x")]

        assert {(401, "Bearer")} == {(one.status_code, one.headers["www-authenticate"]) for one in answers}

    def test_stranger_cannot_upload(self, guarded: Guarded) -> None:
        """An upload without a key is refused for that, before its form is read."""
        with httpx.Client(base_url=guarded.address) as client:
            answer = client.post("/v1/batches", content=b"no form at all")

        assert 401 == answer.status_code

    def test_probes_are_open(self, guarded: Guarded) -> None:
        """Orchestrators and Prometheus need no key."""
        with httpx.Client(base_url=guarded.address) as client:
            status = [client.get(path).status_code for path in ("/healthz", "/readyz", "/metrics")]

        assert [200, 200, 200] == status

    def test_wrong_key_is_refused_where_none_is_needed(self, client: httpx.Client) -> None:
        """A client that sends a key learns that it is wrong, even on a server that needs none."""
        assert 401 == client.get("/v1/jobs", headers={"Authorization": "Bearer kb_x"}).status_code


class TestFirstKey:
    @pytest.fixture
    def bare(self, wiring: Wiring) -> Wiring:
        """No key exists."""
        with wiring.sessions.begin() as session:
            session.execute(delete(ApiKeyRow))
        return wiring

    def start(self, settings: Settings, **changes: str) -> subprocess.CompletedProcess[str]:
        """Start a server that is expected to refuse."""
        environment = {
            **os.environ,
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "BROKER_URL": settings.broker_url.get_secret_value(),
            "OBJECT_STORE_URL": settings.object_store_url,
            **changes,
        }
        return subprocess.run(
            [sys.executable, "-m", "api"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    @pytest.mark.usefixtures("bare")
    def test_operator_brings_it(self, http_settings: Settings) -> None:
        """BOOTSTRAP_ADMIN_KEY makes the first key, once, and a revoked one stays revoked."""
        secret = "b" * 40
        wired = wire(http_settings.model_copy(update={"bootstrap_admin_key": SecretStr(secret)}))
        first, second = prepare_keys(wired), prepare_keys(wired)
        with wired.sessions.begin() as session:
            service = ApiKeyService(session)
            caller = service.verify(secret)
            service.revoke(caller.id)

        assert (True, True, False) == (first, second, prepare_keys(wired))
        assert {"admin"} == caller.scopes
        wired.close()

    @pytest.mark.usefixtures("bare")
    def test_guessable_one_is_refused(self, http_settings: Settings) -> None:
        """A short first key is not stored."""
        wired = wire(http_settings.model_copy(update={"bootstrap_admin_key": SecretStr("admin")}))
        with pytest.raises(InvalidInputError, match="openssl"):
            prepare_keys(wired)
        wired.close()

    @pytest.mark.usefixtures("bare")
    def test_open_server_without_keys_does_not_start(self, http_settings: Settings) -> None:
        """On an address that others reach, the server says how to make a key, and ends."""
        ended = self.start(http_settings, HOST="0.0.0.0")

        assert 2 == ended.returncode
        assert "python -m api.keys create" in ended.stderr

    def test_server_without_database_says_so(self, http_settings: Settings) -> None:
        """Without a database the server ends with what to set; with a wrong one likewise."""
        nowhere = self.start(http_settings, DATABASE_URL="")
        silent = self.start(http_settings, DATABASE_URL="postgresql+psycopg://u@127.0.0.1:1/x")

        assert (2, 2) == (nowhere.returncode, silent.returncode)
        assert "DATABASE_URL" in nowhere.stderr
        assert "Traceback" not in silent.stderr

    def test_command_line_replaces(
        self,
        bare: Wiring,
        http_settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A key that ends is made and replaced without a server; the old one ends with the overlap."""
        monkeypatch.setenv("DATABASE_URL", http_settings.database_url.get_secret_value())
        command.main(["create", "--name", "lims", "--scope", "read", "--days", "30"])
        with bare.readers() as session:
            old = ApiKeyService(session).verify(capsys.readouterr().out.strip())
        replaced = command.main(["rotate", old.id, "--overlap-hours", "0", "--days", "60"])
        with bare.readers() as session:
            new = ApiKeyService(session).verify(capsys.readouterr().out.strip())
        command.main(["list"])
        first, second = capsys.readouterr().out.splitlines()
        beyond = command.main(["create", "--name", "x", "--scope", "read", "--days", "99999999999"])

        assert (0, 2) == (replaced, beyond)
        assert "lims #2" == new.name
        assert "expired since" in first
        assert "active until" in second

    def test_command_line_makes_lists_and_revokes(
        self,
        bare: Wiring,
        http_settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A key can be made on a headless machine: the secret alone on standard output."""
        monkeypatch.setenv("DATABASE_URL", http_settings.database_url.get_secret_value())
        made = command.main(["create", "--name", "lims", "--scope", "read", "--scope", "submit"])
        secret = capsys.readouterr().out.strip()
        with bare.readers() as session:
            caller = ApiKeyService(session).verify(secret)
        command.main(["list"])
        listed = capsys.readouterr().out
        command.main(["revoke", caller.id])
        twice = command.main(["create", "--name", "lims", "--scope", "read"])
        with bare.readers() as session:
            revoked_at = session.scalar(select(ApiKeyRow.revoked_at).where(ApiKeyRow.id == caller.id))

        assert (0, 2) == (made, twice)
        assert {"read", "submit"} == caller.scopes
        assert f"{caller.id}  lims  read,submit  active  never used\n" == listed
        assert revoked_at is not None
