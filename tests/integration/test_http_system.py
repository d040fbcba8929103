"""The service itself, over HTTP."""

from __future__ import annotations

import httpx
import pytest

pytestmark = pytest.mark.integration


class TestHealth:
    def test_process_is_up(self, client: httpx.Client) -> None:
        """`/healthz` answers without asking any other part."""
        answer = client.get("/healthz")

        assert answer.status_code == 200
        assert answer.json()["status"] == "ok"

    def test_every_part_is_ready(self, client: httpx.Client) -> None:
        """`/readyz` names database, broker and store."""
        answer = client.get("/readyz")

        assert {
            part["name"]: part["ok"] for part in answer.json()["parts"]
        } == {"database": True, "broker": True, "store": True}
        assert answer.status_code == 200
