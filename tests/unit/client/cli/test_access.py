from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import Result

from tests.fakes.tiny_service import Answer, TinyService

Invoke = Callable[..., Result]

SECRET = "kb_Xq3v9fQ0w7m2Zt1c8bYp5sRk4uLh6nEjDgAiOaTeVxI"


def key(**changes: Any) -> dict[str, Any]:
    """Return a key as the service shows it."""
    return {
        "id": "key_2",
        "name": "lims #2",
        "scopes": ["read"],
        "created_at": "2026-11-02T08:15:30Z",
        "revoked_at": None,
        "expires_at": None,
        "last_used_at": None,
        "replaces": "key_1",
    } | changes


class TestKeys:
    def test_create_prints_the_secret_alone(self, invoke: Invoke, service: TinyService) -> None:
        """A script takes the key from stdout; what a person reads is beside it."""
        service.first("POST", "/v1/keys", Answer(201, key(key=SECRET)))

        result = invoke("keys", "create", "lims", "--scope", "submit", "--scope", "read", "--days", 30)

        body = json.loads(service.seen("POST", "/v1/keys")[0].body)
        end = datetime.fromisoformat(body.pop("expires_at"))
        assert {"name": "lims", "scopes": ["read", "submit"]} == body
        assert abs(end - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)
        assert f"{SECRET}\n" == result.stdout
        assert "key_2" in result.stderr
        assert SECRET not in result.stderr

    def test_rotate_asks_for_the_overlap(self, invoke: Invoke, service: TinyService) -> None:
        """Without an end of its own the new key lives as the service decides."""
        service.first("POST", "/v1/keys/key_1/rotate", Answer(201, key(key=SECRET)))

        result = invoke("keys", "rotate", "key_1", "--overlap-hours", 0, "--json")

        body = json.loads(service.seen("POST", "/v1/keys/key_1/rotate")[0].body)
        assert {"overlap_hours": 0} == body
        assert (0, SECRET) == (result.exit_code, json.loads(result.stdout)["key"])

    def test_lost_answer_is_told(self, invoke: Invoke, service: TinyService) -> None:
        """A repeated request has no secret: nothing is printed, and what to do is said."""
        service.first("POST", "/v1/keys", Answer(201, key(key=None)))

        result = invoke("keys", "create", "lims", "--scope", "read")

        assert "" == result.stdout
        assert "Revoke key_2" in result.stderr

    def test_list_and_revoke(self, invoke: Invoke, service: TinyService) -> None:
        """The list tells when a key ends and was last used."""
        ends = key(expires_at="2027-01-01T00:00:00Z", last_used_at="2026-11-20T16:40:02Z")
        service.first("GET", "/v1/keys", Answer(200, {"items": [ends], "next_cursor": None}))
        service.first("DELETE", "/v1/keys/key_2", Answer(200, key(revoked_at="2026-11-21T00:00:00Z")))

        listed, revoked = invoke("keys", "list"), invoke("keys", "revoke", "key_2")

        assert all(text in listed.stdout for text in ("lims #2", "2027-01-01", "2026-11-20"))
        assert "2026-11-21" in revoked.stdout


class TestAudit:
    def test_lists_what_was_asked_for(self, invoke: Invoke, service: TinyService) -> None:
        """Filters travel to the service, times with their zone."""
        entry = {
            "id": 1,
            "at": "2026-11-02T08:15:30Z",
            "actor": "lims",
            "action": "artifact.alias_set",
            "subject": "classifier/translocation",
            "details": {"alias": "production"},
        }
        service.first("GET", "/v1/audit", Answer(200, {"items": [entry], "next_cursor": None}))

        result = invoke(
            "audit", "--actor", "lims", "--since", "2026-11-01", "--until", "2026-11-03T01:00+01:00"
        )

        query = service.seen("GET", "/v1/audit")[0].query
        assert "artifact.alias_set" in result.stdout
        assert ("lims", "2026-11-01T00:00:00+00:00", "2026-11-03T01:00:00+01:00") == (
            query["actor"],
            query["since"],
            query["until"],
        )

    @pytest.mark.parametrize("time", ["yesterday", "2026-13-01"])
    def test_refuses_what_is_no_time(self, invoke: Invoke, service: TinyService, time: str) -> None:
        """Nothing is sent."""
        result = invoke("audit", "--since", time)

        assert 2 == result.exit_code
        assert [] == service.requests
