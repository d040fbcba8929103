"""Webhooks: made, tried out and taken away by an administrator. Sending is the sweeper's."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.auth import CurrentCaller, needs
from api.dependencies import CurrentPage, CurrentWiring, Reader, Writer
from api.idempotency import OnceOnly
from api.openapi import problem
from api.schemas.common import PageView
from api.schemas.webhooks import DeliveryView, IssuedWebhookView, WebhookRequest, WebhookView
from services import audit
from services.idempotency import Answer
from services.webhooks.repository import WebhookRepository
from services.webhooks.types import Delivery, DeliveryStatus, IssuedWebhook

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], dependencies=[needs("admin")])

_DISABLED = problem("The webhook is disabled, or the first request with this Idempotency-Key is at work.")


@router.post(
    "",
    status_code=201,
    response_model=IssuedWebhookView,
    responses={409: problem("There are as many webhooks as there may be.")},
)
def create_webhook(
    body: WebhookRequest, caller: CurrentCaller, once: OnceOnly, wiring: CurrentWiring
) -> JSONResponse:
    """Be told when jobs end. The secret that signs the messages is in this answer and nowhere else."""

    def work(session: Session) -> Answer:
        issued = wiring.webhooks.create(session, body.url, body.events, body.description, caller.name)
        made = issued.webhook
        details = {"url": made.url, "events": list(made.events)}
        audit.record(session, actor=caller.name, action="webhook.created", subject=made.id, details=details)
        return _shown_once(issued)

    return once({**body.model_dump(mode="json"), "events": sorted(body.events)}, work)


@router.get("")
def list_webhooks(session: Reader, page: CurrentPage) -> PageView[WebhookView]:
    """List webhooks."""
    found = WebhookRepository(session).list_page(page)
    return PageView[WebhookView](
        items=[WebhookView.of(webhook) for webhook in found.items], next_cursor=found.next_cursor
    )


@router.get("/{webhook_id}")
def get_webhook(webhook_id: str, session: Reader) -> WebhookView:
    """Show a webhook, and whether messages get through."""
    return WebhookView.of(WebhookRepository(session).get(webhook_id))


@router.delete("/{webhook_id}")
def delete_webhook(webhook_id: str, caller: CurrentCaller, session: Writer) -> WebhookView:
    """Send nothing more to a webhook; what waits for it fails."""
    deleted = WebhookRepository(session).delete(webhook_id)
    details = {"url": deleted.url}
    audit.record(session, actor=caller.name, action="webhook.deleted", subject=webhook_id, details=details)
    return WebhookView.of(deleted)


@router.post("/{webhook_id}/rotate", status_code=201, response_model=IssuedWebhookView)
def rotate_secret(
    webhook_id: str, caller: CurrentCaller, once: OnceOnly, wiring: CurrentWiring
) -> JSONResponse:
    """Make a new secret. For 24 hours the one before signs as well; rotating twice makes it void at once."""

    def work(session: Session) -> Answer:
        issued = wiring.webhooks.rotate(session, webhook_id)
        audit.record(session, actor=caller.name, action="webhook.rotated", subject=webhook_id, details={})
        return _shown_once(issued)

    return once({}, work)


@router.post("/{webhook_id}/enable", response_model=WebhookView)
def enable_webhook(webhook_id: str, caller: CurrentCaller, once: OnceOnly) -> JSONResponse:
    """Send to a webhook again that was disabled; what was not sent meanwhile is not made up for."""

    def work(session: Session) -> Answer:
        enabled = WebhookRepository(session).enable(webhook_id)
        audit.record(session, actor=caller.name, action="webhook.enabled", subject=webhook_id, details={})
        return Answer(200, {}, WebhookView.of(enabled).model_dump(mode="json"))

    return once({}, work)


@router.post("/{webhook_id}/test", status_code=202, response_model=DeliveryView, responses={409: _DISABLED})
def test_webhook(
    webhook_id: str, caller: CurrentCaller, once: OnceOnly, wiring: CurrentWiring
) -> JSONResponse:
    """Send a message of the type `webhook.test`; look at the deliveries for what became of it."""

    def work(session: Session) -> Answer:
        delivery = wiring.webhooks.test(session, webhook_id)
        details = {"message_id": delivery.id}
        audit.record(session, actor=caller.name, action="webhook.tested", subject=webhook_id, details=details)
        return _accepted(delivery)

    return once({}, work)


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    webhook_id: str,
    session: Reader,
    page: CurrentPage,
    status: Annotated[DeliveryStatus | None, Query(description="What became of it.")] = None,
) -> PageView[DeliveryView]:
    """List a webhook's messages, oldest first. Those that ended are kept for 30 days."""
    repository = WebhookRepository(session)
    repository.get(webhook_id)
    found = repository.deliveries(webhook_id, status, page)
    return PageView[DeliveryView](
        items=[DeliveryView.of(delivery) for delivery in found.items], next_cursor=found.next_cursor
    )


@router.post(
    "/{webhook_id}/deliveries/{message_id}/redeliver",
    status_code=202,
    response_model=DeliveryView,
    responses={409: _DISABLED},
)
def redeliver_message(
    webhook_id: str, message_id: str, caller: CurrentCaller, once: OnceOnly, wiring: CurrentWiring
) -> JSONResponse:
    """Send a message now, with the same `webhook-id`, whether it failed, was delivered or waits."""

    def work(session: Session) -> Answer:
        delivery = wiring.webhooks.redeliver(session, webhook_id, message_id)
        details = {"message_id": message_id}
        action = "webhook.redelivered"
        audit.record(session, actor=caller.name, action=action, subject=webhook_id, details=details)
        return _accepted(delivery)

    return once({}, work)


def _shown_once(issued: IssuedWebhook) -> Answer:
    view = IssuedWebhookView.issued(issued)
    return Answer(201, {"Location": f"/v1/webhooks/{view.id}"}, view.model_dump(mode="json"))


def _accepted(delivery: Delivery) -> Answer:
    shown: dict[str, Any] = DeliveryView.of(delivery).model_dump(mode="json")
    return Answer(202, {"Location": f"/v1/webhooks/{delivery.webhook_id}/deliveries"}, shown)
