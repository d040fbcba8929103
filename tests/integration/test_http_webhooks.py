"""Webhooks over HTTP: made, shown, rotated, tried out, disabled, deleted, and who may do so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import delete, text

from api.wiring import Wiring, wire
from services import audit
from services.config import Settings
from services.db.tables import WebhookDeliveryRow, WebhookRow
from services.webhooks.repository import WebhookRepository
from services.webhooks.service import MAX_WEBHOOKS
from services.webhooks.signing import secret_of
from services.webhooks.types import JOB_EVENTS
from tests.support.http import Guarded, serving

pytestmark = pytest.mark.integration

KEY = SecretStr("k" * 40)
URL = "http://127.0.0.1:8123/hook"


@pytest.fixture(scope="module")
def wired(http_settings: Settings) -> Iterator[Wiring]:
    """An application with webhooks, which may call this machine."""
    found = wire(
        http_settings.model_copy(update={"webhook_key": KEY, "webhook_allowed_networks": "127.0.0.1/32"})
    )
    yield found
    found.close()


@pytest.fixture(scope="module")
def place(wired: Wiring) -> Iterator[str]:
    """Where it is served."""
    with serving(wired) as url:
        yield url


@pytest.fixture
def hooks(place: str, wired: Wiring) -> Iterator[httpx.Client]:
    """A client of it, with no webhook there yet."""
    with wired.sessions.begin() as session:
        session.execute(delete(WebhookDeliveryRow))
        session.execute(delete(WebhookRow))
    with httpx.Client(base_url=place, timeout=30) as client:
        yield client


def make(client: httpx.Client, **body: Any) -> dict[str, Any]:
    """Make a webhook."""
    answer = client.post("/v1/webhooks", json={"url": URL, **body})

    assert 201 == answer.status_code, answer.text
    made: dict[str, Any] = answer.json()
    return made


class TestCreate:
    def test_secret_is_shown_once(self, hooks: httpx.Client, wired: Wiring) -> None:
        """The first answer has the secret; lists, repetitions and the database have not."""
        headers = {"Idempotency-Key": "once-upon-a-webhook"}
        body = {"url": URL, "events": ["job.failed", "job.partial"], "description": "LIMS"}
        first = hooks.post("/v1/webhooks", json=body, headers=headers).json()
        again = hooks.post("/v1/webhooks", json=body, headers=headers).json()
        shown = hooks.get(f"/v1/webhooks/{first['id']}").json()
        with wired.readers() as session:
            kept = session.execute(text("SELECT w::text FROM webhooks w")).scalars().all()
            answers = session.execute(text("SELECT body::text FROM idempotency_keys")).scalars().all()
            trail = audit.history(session, first["id"])

        assert secret_of(KEY, first["id"], 1) == first["secret"]
        assert first | {"secret": None} == again
        assert {name: value for name, value in first.items() if name != "secret"} == shown
        assert ["job.partial", "job.failed"] == first["events"]
        assert not any("whsec_" in str(found) for found in [*kept, *answers, *trail])
        assert [("local", "webhook.created")] == [(entry.actor, entry.action) for entry in trail]

    def test_every_end_is_told_by_default(self, hooks: httpx.Client) -> None:
        """Whoever names no event gets them all."""
        assert 4 == len(make(hooks)["events"])

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"url": "http://169.254.169.254/latest/meta-data"}, "webhook_address_refused"),
            ({"url": "https://10.0.0.1/"}, "webhook_address_refused"),
            ({"url": "https://[::ffff:10.0.0.1]/"}, "webhook_address_refused"),
            ({"url": "http://0x7f.1:8123/"}, "webhook_address_refused"),
            ({"url": "nonsense"}, "webhook_address_refused"),
            ({"url": "x" * 3000}, "invalid_input"),
            ({"url": URL, "events": []}, "invalid_input"),
            ({"url": URL, "events": ["webhook.test"]}, "invalid_input"),
            ({"url": URL, "secret": "mine"}, "invalid_input"),
            ({}, "invalid_input"),
        ],
    )
    def test_wrong_ones_are_refused(self, hooks: httpx.Client, body: dict[str, Any], code: str) -> None:
        """A URL that may not be called is named as the field that is wrong."""
        answer = hooks.post("/v1/webhooks", json=body)

        assert (422, code) == (answer.status_code, answer.json()["code"])
        assert code == "invalid_input" or ["url"] == [one["field"] for one in answer.json()["errors"]]

    def test_there_is_a_bound(self, hooks: httpx.Client, wired: Wiring) -> None:
        """The end of a job never has to write more than so many messages; a deleted one makes room."""
        with wired.sessions.begin() as session:
            for _ in range(MAX_WEBHOOKS):
                made = WebhookRepository(session).add(URL, JOB_EVENTS, "", "admin")
        refused = hooks.post("/v1/webhooks", json={"url": URL})
        hooks.delete(f"/v1/webhooks/{made.id}")

        assert (409, "too_many_webhooks") == (refused.status_code, refused.json()["code"])
        assert 201 == hooks.post("/v1/webhooks", json={"url": URL}).status_code

    def test_without_a_key_there_are_none(self, client: httpx.Client) -> None:
        """An installation without WEBHOOK_KEY says what to set."""
        answer = client.post("/v1/webhooks", json={"url": "https://lims.example/"})

        assert (422, "webhooks_off") == (answer.status_code, answer.json()["code"])
        assert "openssl rand -hex 32" in answer.json()["detail"]


class TestLife:
    def test_rotation_keeps_the_old_secret_for_a_day(self, hooks: httpx.Client) -> None:
        """The next secret is shown once, and until when the one before is good."""
        made = make(hooks)
        rotated = hooks.post(f"/v1/webhooks/{made['id']}/rotate")

        assert 201 == rotated.status_code
        assert secret_of(KEY, made["id"], 2) == rotated.json()["secret"] != made["secret"]
        assert rotated.json()["previous_secret_valid_until"] is not None
        assert made["previous_secret_valid_until"] is None

    def test_message_can_be_asked_for_and_sent_again(self, hooks: httpx.Client) -> None:
        """A test writes a message, which is listed by what became of it, and can be sent again."""
        path = f"/v1/webhooks/{make(hooks)['id']}"
        first, second = hooks.post(f"{path}/test"), hooks.post(f"{path}/test")
        page = hooks.get(f"{path}/deliveries", params={"limit": 1}).json()
        rest = hooks.get(f"{path}/deliveries", params={"cursor": page["next_cursor"]}).json()
        again = hooks.post(f"{path}/deliveries/{first.json()['id']}/redeliver")

        assert (202, "webhook.test", "pending") == (
            first.status_code,
            first.json()["event"],
            first.json()["status"],
        )
        assert [first.json()["id"], second.json()["id"]] == [
            one["id"] for one in page["items"] + rest["items"]
        ]
        assert [] == hooks.get(f"{path}/deliveries", params={"status": "failed"}).json()["items"]
        assert (202, first.json()["id"]) == (again.status_code, again.json()["id"])

    def test_deleted_one_is_gone(self, hooks: httpx.Client) -> None:
        """A deleted webhook is listed no more, and nothing can be done to it."""
        kept, made = make(hooks), make(hooks)
        path = f"/v1/webhooks/{made['id']}"
        deleted = hooks.delete(path)
        answers = [
            hooks.get(path),
            hooks.delete(path),
            hooks.get(f"{path}/deliveries"),
            *(
                hooks.post(f"{path}/{what}")
                for what in ("rotate", "test", "enable", "deliveries/msg_1/redeliver")
            ),
        ]

        assert 200 == deleted.status_code
        assert {404} == {answer.status_code for answer in answers}
        assert [kept["id"]] == [one["id"] for one in hooks.get("/v1/webhooks").json()["items"]]

    def test_disabled_one_wants_to_be_enabled(self, hooks: httpx.Client, wired: Wiring) -> None:
        """A message to a disabled webhook is refused with the reason; enabled, it is taken."""
        made = make(hooks)
        with wired.sessions.begin() as session:
            session.execute(text("UPDATE webhooks SET disabled_at = now(), disabled_reason = 'It was gone.'"))
        refused = hooks.post(f"/v1/webhooks/{made['id']}/test")
        enabled = hooks.post(f"/v1/webhooks/{made['id']}/enable")

        assert (409, "webhook_disabled") == (refused.status_code, refused.json()["code"])
        assert "It was gone." in refused.json()["detail"]
        assert (200, None) == (enabled.status_code, enabled.json()["disabled_at"])
        assert 202 == hooks.post(f"/v1/webhooks/{made['id']}/test").status_code

    def test_changes_are_in_the_audit(self, hooks: httpx.Client, wired: Wiring) -> None:
        """Whatever an administrator does to a webhook can be told later."""
        path = f"/v1/webhooks/{make(hooks)['id']}"
        for what in ("rotate", "enable"):
            hooks.post(f"{path}/{what}")
        message_id = hooks.post(f"{path}/test").json()["id"]
        hooks.post(f"{path}/deliveries/{message_id}/redeliver")
        hooks.delete(path)
        with wired.readers() as session:
            trail = [entry.action for entry in audit.history(session, path.rpartition("/")[2])]

        assert ["created", "rotated", "enabled", "tested", "redelivered", "deleted"] == [
            action.removeprefix("webhook.") for action in trail
        ]


class TestScope:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", ""),
            ("GET", ""),
            ("GET", "/webhook_1"),
            ("DELETE", "/webhook_1"),
            ("POST", "/webhook_1/rotate"),
            ("POST", "/webhook_1/enable"),
            ("POST", "/webhook_1/test"),
            ("GET", "/webhook_1/deliveries"),
            ("POST", "/webhook_1/deliveries/msg_1/redeliver"),
        ],
    )
    def test_only_administrators(self, guarded: Guarded, method: str, path: str) -> None:
        """Whoever may have this machine call others must be an administrator."""
        with guarded.client() as admin:
            body = {"name": f"{method} {path}", "scopes": ["read", "submit", "review"]}
            key = admin.post("/v1/keys", json=body).json()["key"]
        with guarded.client(key) as client:
            answer = client.request(method, f"/v1/webhooks{path}", json={"url": URL} if not path else None)

        assert (403, "forbidden") == (answer.status_code, answer.json()["code"])
