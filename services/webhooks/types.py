"""Values that describe webhooks and their messages; rows never leave the repositories."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from services.db.tables import JsonObject

JobEvent = Literal["job.succeeded", "job.partial", "job.failed", "job.cancelled"]
DeliveryStatus = Literal["pending", "delivered", "failed"]

JOB_EVENTS: Final[tuple[JobEvent, ...]] = get_args(JobEvent)
TEST_EVENT: Final = "webhook.test"
DELIVERY_STATUSES: Final[tuple[DeliveryStatus, ...]] = get_args(DeliveryStatus)
MESSAGE_PREFIX: Final = "msg"


@dataclass(frozen=True)
class Webhook:
    """Where a client wants to be told, and of what.

    Attributes
    ----------
    generation
        How many secrets it has had.
    previous_valid_until
        Until when messages are also signed with the secret before; None if there is none.
    failing_since
        Since when no message got through; None while they do.
    """

    id: str
    url: str
    events: tuple[JobEvent, ...]
    description: str
    created_by: str
    generation: int
    previous_valid_until: datetime | None
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime


@dataclass(frozen=True)
class IssuedWebhook:
    """A webhook with its newest secret, in clear for the only time."""

    webhook: Webhook
    secret: str


@dataclass(frozen=True)
class Delivery:
    """One message to one webhook; `id` is its ``webhook-id``, the same at every attempt."""

    id: str
    webhook_id: str
    event: str
    subject: str
    payload: JsonObject
    status: DeliveryStatus
    attempts: int
    due_at: datetime
    last_status: int | None
    last_error: str | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class Claimed:
    """A message that one courier sends now.

    `claimed_until` is its hold on it: whoever finds another time in the row has lost the message to
    a later claim, and may write nothing.
    """

    delivery: Delivery
    url: str
    generations: tuple[int, ...]
    claimed_until: datetime


@dataclass(frozen=True)
class Attempt:
    """What became of one sending.

    Attributes
    ----------
    status
        Of the answer; None if there was none.
    error
        Why it does not count as delivered; None if it does.
    retry_after_s
        How long the receiver asked to be left alone.
    """

    status: int | None
    error: str | None
    retry_after_s: float = 0.0

    @property
    def delivered(self) -> bool:
        """Whether the receiver has the message."""
        return self.error is None
