"""Webhooks and their messages over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from api.schemas.common import Body, View, printable
from services.webhooks.guard import MAX_URL_CHARACTERS
from services.webhooks.types import JOB_EVENTS, Delivery, DeliveryStatus, IssuedWebhook, JobEvent, Webhook

_ID = "webhook_01k9zt3v5e8w2hq4x7c1n6m0be"
_URL = "https://lims.example.org/karyobridge"
_EXAMPLE: dict[str, Any] = {
    "id": _ID,
    "url": _URL,
    "events": ["job.succeeded", "job.partial", "job.failed"],
    "description": "LIMS, production",
    "created_by": "admin",
    "previous_secret_valid_until": None,
    "failing_since": None,
    "disabled_at": None,
    "disabled_reason": None,
    "created_at": "2026-11-02T08:15:30Z",
}

Text = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True), AfterValidator(printable)]


class WebhookRequest(Body):
    """A webhook to make."""

    model_config = ConfigDict(
        json_schema_extra={"example": {name: _EXAMPLE[name] for name in ("url", "events", "description")}}
    )

    url: Annotated[
        str, StringConstraints(min_length=1, max_length=MAX_URL_CHARACTERS), AfterValidator(printable)
    ] = Field(
        description="Where messages are sent: https on the public internet, or what the operator opened with "
        "WEBHOOK_ALLOWED_NETWORKS. Its name is looked up now and before each message."
    )
    events: frozenset[JobEvent] = Field(
        default=frozenset(JOB_EVENTS),
        min_length=1,
        description="What it is told of; by default of every end.",
    )
    description: Text = Field(default="", description="What it is for, for people.")


class WebhookView(View):
    """A webhook; its secret is not kept."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    id: str
    url: str
    events: list[JobEvent]
    description: str
    created_by: str = Field(description="Name of the key that made it.")
    previous_secret_valid_until: datetime | None = Field(
        description="Until when messages are also signed with the secret before the last rotation."
    )
    failing_since: datetime | None = Field(description="Since when no message got through.")
    disabled_at: datetime | None = Field(description="Since when nothing is sent.")
    disabled_reason: str | None
    created_at: datetime

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookView:
        """Show a webhook."""
        return cls(**_shown(webhook))


class IssuedWebhookView(WebhookView):
    """A webhook with its newest secret, shown this once."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {**_EXAMPLE, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="}
        }
    )

    secret: str | None = Field(
        description="Verifies messages. Shown only now: a repetition with the same Idempotency-Key has null."
    )

    @classmethod
    def issued(cls, issued: IssuedWebhook) -> IssuedWebhookView:
        """Join the webhook and its secret."""
        return cls(**_shown(issued.webhook), secret=issued.secret)


class DeliveryView(View):
    """A message and what became of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "msg_01k9zt3v5e8w2hq4x7c1n6m0bf",
                "event": "job.succeeded",
                "subject": "job_01k9zt3v5e8w2hq4x7c1n6m0bd",
                "status": "pending",
                "attempts": 2,
                "next_attempt_at": "2026-11-02T08:25:30Z",
                "last_status": 503,
                "last_error": "It answered 503.",
                "created_at": "2026-11-02T08:20:12Z",
                "ended_at": None,
            }
        }
    )

    id: str = Field(description="The header `webhook-id`, the same at every attempt.")
    event: str
    subject: str = Field(description="What it tells of: a job, or of a test the webhook.")
    status: DeliveryStatus
    attempts: int = Field(description="How often it was sent since it was made or redelivered.")
    next_attempt_at: datetime | None = Field(description="When it is sent next, while it is pending.")
    last_status: int | None = Field(description="Status of the last answer; null if there was none.")
    last_error: str | None = Field(description="Why the last attempt does not count.")
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryView:
        """Show a message."""
        due_at = delivery.due_at if delivery.status == "pending" else None
        return cls(
            **{name: getattr(delivery, name) for name in cls.model_fields if name != "next_attempt_at"},
            next_attempt_at=due_at,
        )


def _shown(webhook: Webhook) -> dict[str, Any]:
    same = {name: getattr(webhook, name) for name in WebhookView.model_fields if hasattr(webhook, name)}
    return same | {"previous_secret_valid_until": webhook.previous_valid_until}
