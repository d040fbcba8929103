from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from typer.testing import Result

from tests.fakes.tiny_service import Answer, TinyService

Invoke = Callable[..., Result]

WEBHOOK: dict[str, Any] = {
    "id": "webhook_1",
    "url": "https://lims.example/",
    "events": ["job.failed"],
    "description": "",
    "failing_since": "2026-11-02T08:15:30Z",
    "disabled_at": None,
    "disabled_reason": None,
    "previous_secret_valid_until": None,
}
DELIVERY: dict[str, Any] = {
    "id": "msg_1",
    "event": "job.failed",
    "subject": "job_1",
    "status": "failed",
    "attempts": 10,
    "last_error": "It answered 503.",
}


class TestSecrets:
    def test_create_shows_the_secret(self, invoke: Invoke, service: TinyService) -> None:
        """What was asked for is sent, and the secret stands on stdout, with a word of warning beside it."""
        service.first("POST", "/v1/webhooks", Answer(201, {**WEBHOOK, "secret": "whsec_AAAA"}))
        result = invoke("webhooks", "create", "https://lims.example/", "--event", "job.failed")
        (request,) = service.seen("POST", "/v1/webhooks")

        assert 0 == result.exit_code
        assert "whsec_AAAA" in result.stdout
        assert "not shown again" in result.stderr
        assert {"url": "https://lims.example/", "description": "", "events": ["job.failed"]} == json.loads(
            request.body
        )

    def test_lost_secret_is_told(self, invoke: Invoke, service: TinyService) -> None:
        """If the first answer was lost, its repetition has no secret; the command says how to get one."""
        service.first("POST", "/v1/webhooks", Answer(201, {**WEBHOOK, "secret": None}))
        result = invoke("webhooks", "create", "https://lims.example/")

        assert 0 == result.exit_code
        assert "webhooks rotate webhook_1" in result.stderr

    def test_rotate_shows_the_new_one(self, invoke: Invoke, service: TinyService) -> None:
        """As JSON, stdout holds the webhook with its new secret and nothing else."""
        service.first(
            "POST", "/v1/webhooks/webhook_1/rotate", Answer(201, {**WEBHOOK, "secret": "whsec_BBBB"})
        )
        result = invoke("webhooks", "rotate", "webhook_1", "--json")

        assert "whsec_BBBB" == json.loads(result.stdout)["secret"]


class TestShowing:
    def test_list_tells_how_each_stands(self, invoke: Invoke, service: TinyService) -> None:
        """A webhook whose messages do not get through is called failing."""
        service.first("GET", "/v1/webhooks", Answer(body={"items": [WEBHOOK], "next_cursor": None}))

        assert "webhook_1 failing https://lims.example/" in " ".join(
            invoke("webhooks", "list").stdout.split()
        )

    def test_deliveries_tell_why(self, invoke: Invoke, service: TinyService) -> None:
        """Only those of the wanted status are asked for, each with its error."""
        path = "/v1/webhooks/webhook_1/deliveries"
        service.first("GET", path, Answer(body={"items": [DELIVERY], "next_cursor": None}))
        result = invoke("webhooks", "deliveries", "webhook_1", "--status", "failed")

        assert "failed" == service.seen("GET", path)[0].query["status"]
        assert "msg_1 job.failed job_1 failed 10 - It answered 503." in " ".join(result.stdout.split())


class TestSteering:
    def test_each_command_reaches_its_path(self, invoke: Invoke, service: TinyService) -> None:
        """Testing, redelivering, enabling and deleting are one request each."""
        base = "/v1/webhooks/webhook_1"
        commands = {
            ("POST", f"{base}/test"): ("test", "webhook_1"),
            ("POST", f"{base}/deliveries/msg_1/redeliver"): ("redeliver", "webhook_1", "msg_1"),
            ("POST", f"{base}/enable"): ("enable", "webhook_1"),
            ("DELETE", base): ("delete", "webhook_1"),
        }
        for (method, path), command in commands.items():
            body = DELIVERY if command[0] in {"test", "redeliver"} else WEBHOOK
            service.first(method, path, Answer(body=body))

            assert 0 == invoke("webhooks", *command).exit_code
            assert 1 == len(service.seen(method, path))
