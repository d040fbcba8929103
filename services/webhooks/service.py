"""Webhooks as whoever administers them sees them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy.orm import Session

from services.clock import utc_now
from services.config import Settings
from services.webhooks.addresses import networks_of
from services.webhooks.errors import TooManyWebhooksError, WebhookDisabledError, WebhooksOffError
from services.webhooks.guard import Guard, Resolver, resolve
from services.webhooks.outbox import announce_test
from services.webhooks.repository import WebhookRepository
from services.webhooks.signing import secret_of
from services.webhooks.types import Delivery, IssuedWebhook, JobEvent, Webhook

MAX_WEBHOOKS: Final = 50


class WebhookService:
    """Makes and steers webhooks in the caller's session; leaves the commit and the audit to the edge."""

    def __init__(self, settings: Settings, resolver: Resolver = resolve) -> None:
        self._key = settings.webhook_key
        self._guard = Guard(networks_of(settings.webhook_allowed_networks), resolver)

    def create(
        self, session: Session, url: str, events: Collection[JobEvent], description: str, created_by: str
    ) -> IssuedWebhook:
        """Make a webhook.

        Raises
        ------
        WebhooksOffError
            There is no key to make its secret of.
        AddressRefusedError
            Its URL may not be called.
        TooManyWebhooksError
            There are as many as there may be.
        """
        self._require_key()
        self._guard.destination(url)
        repository = WebhookRepository(session)
        if repository.count() >= MAX_WEBHOOKS:
            raise TooManyWebhooksError(MAX_WEBHOOKS)
        return self._issued(repository.add(url, events, description, created_by))

    def rotate(self, session: Session, webhook_id: str) -> IssuedWebhook:
        """Give a webhook a new secret; for a day the one before signs, too.

        Raises
        ------
        WebhooksOffError, NotFoundError
        """
        self._require_key()
        return self._issued(WebhookRepository(session).rotate(webhook_id))

    def test(self, session: Session, webhook_id: str) -> Delivery:
        """Send a webhook a message that tells of nothing.

        Raises
        ------
        WebhooksOffError, NotFoundError, WebhookDisabledError
        """
        repository = WebhookRepository(session)
        webhook = self._ready(repository, webhook_id)
        return repository.delivery(webhook_id, announce_test(session, webhook, utc_now()))

    def redeliver(self, session: Session, webhook_id: str, message_id: str) -> Delivery:
        """Send a message now, whatever became of it before.

        Raises
        ------
        WebhooksOffError, NotFoundError, WebhookDisabledError
        """
        repository = WebhookRepository(session)
        self._ready(repository, webhook_id)
        return repository.redeliver(webhook_id, message_id)

    def _ready(self, repository: WebhookRepository, webhook_id: str) -> Webhook:
        self._require_key()
        webhook = repository.get(webhook_id)
        if webhook.disabled_at is not None:
            raise WebhookDisabledError(webhook_id, webhook.disabled_reason or "")
        return webhook

    def _issued(self, webhook: Webhook) -> IssuedWebhook:
        return IssuedWebhook(webhook, secret_of(self._key, webhook.id, webhook.generation))

    def _require_key(self) -> None:
        if not self._key.get_secret_value():
            raise WebhooksOffError
