"""Webhooks: being told when jobs end, instead of asking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from client.answers import AnyRecord, get, list_all, record_of
from client.records import Delivery, Webhook
from client.transport import Transport


class WebhookOperations:
    """Webhooks and their messages; a key with the scope ``admin`` is needed."""

    transport: Transport

    def create_webhook(self, url: str, events: Sequence[str] = (), description: str = "") -> Webhook:
        """Have the service post to `url` when jobs end.

        Parameters
        ----------
        events
            Such as ``job.failed``; none means every end.

        Returns
        -------
        Webhook
            With its `secret`, which is never shown again. It is None in the rare case that the first answer
            was lost on its way: then `rotate_webhook` makes another.
        """
        body = {"url": url, "description": description} | ({"events": list(events)} if events else {})
        return record_of(self.transport, Webhook, self.transport.json("POST", "v1/webhooks", json=body))

    def webhooks(self) -> Iterator[Webhook]:
        """All webhooks."""
        return list_all(self.transport, Webhook, "v1/webhooks")

    def webhook(self, webhook_id: str) -> Webhook:
        """One webhook as it stands."""
        return get(self.transport, Webhook, f"v1/webhooks/{webhook_id}")

    def delete_webhook(self, webhook_id: str) -> Webhook:
        """Have nothing more sent to a webhook."""
        answer = self.transport.json("DELETE", f"v1/webhooks/{webhook_id}")
        return record_of(self.transport, Webhook, answer)

    def rotate_webhook(self, webhook_id: str) -> Webhook:
        """Make a new secret; for 24 hours the one before signs as well."""
        return self._post(Webhook, webhook_id, "rotate")

    def enable_webhook(self, webhook_id: str) -> Webhook:
        """Have messages sent again to a webhook that was disabled."""
        return self._post(Webhook, webhook_id, "enable")

    def test_webhook(self, webhook_id: str) -> Delivery:
        """Have a message sent that tells of nothing."""
        return self._post(Delivery, webhook_id, "test")

    def deliveries(self, webhook_id: str, *, status: str | None = None) -> Iterator[Delivery]:
        """Messages to a webhook, oldest first; `status` is pending, delivered or failed."""
        return list_all(self.transport, Delivery, f"v1/webhooks/{webhook_id}/deliveries", status=status)

    def redeliver(self, webhook_id: str, message_id: str) -> Delivery:
        """Have a message sent again now, whatever became of it."""
        return self._post(Delivery, webhook_id, f"deliveries/{message_id}/redeliver")

    def _post(self, record: type[AnyRecord], webhook_id: str, what: str) -> AnyRecord:
        answer = self.transport.json("POST", f"v1/webhooks/{webhook_id}/{what}")
        return record_of(self.transport, record, answer)
