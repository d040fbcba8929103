"""What can be wrong with a webhook that somebody wants."""

from __future__ import annotations

from services.errors import ConflictError, InvalidInputError, UnsupportedHereError


class WebhooksOffError(UnsupportedHereError):
    """The installation has no key to make secrets of."""

    code = "webhooks_off"
    title = "This installation has no webhooks"

    def __init__(self) -> None:
        super().__init__(
            "WEBHOOK_KEY is empty, so no message could be signed. Make one with `openssl rand -hex 32`, set "
            "it for the API and the sweeper, and start both again."
        )


class AddressRefusedError(InvalidInputError):
    """A webhook may not go there."""

    code = "webhook_address_refused"
    title = "A webhook may not call this address"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, "url")


class TooManyWebhooksError(ConflictError):
    """Each one costs a row at the end of every job, so there is a bound."""

    code = "too_many_webhooks"
    title = "There are too many webhooks"

    def __init__(self, limit: int) -> None:
        super().__init__(f"There are {limit} webhooks, the most there may be. Delete one that is not used.")


class WebhookDisabledError(ConflictError):
    """Messages to it would not be sent."""

    code = "webhook_disabled"
    title = "The webhook is disabled"

    def __init__(self, webhook_id: str, reason: str) -> None:
        super().__init__(
            f"{webhook_id} is disabled: {reason} Enable it first: POST /v1/webhooks/{webhook_id}/enable."
        )
