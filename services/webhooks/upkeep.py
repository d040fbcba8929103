"""What the sweep does for webhooks: end what can never be sent, and forget what ended long ago."""

from __future__ import annotations

from services.db.engine import SessionFactory
from services.webhooks.deliveries import DeliveryRepository


def tidy(session_factory: SessionFactory) -> int:
    """Tidy once, a bounded number of messages; returns how many were forgotten."""
    with session_factory.begin() as session:
        DeliveryRepository(session).end_those_of_inactive()
        return DeliveryRepository(session).purge()
