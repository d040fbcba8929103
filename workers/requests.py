"""A message that is acknowledged, or else a worker that connects anew.

Celery logs an acknowledgement that fails and goes on. Over Redis the worker then waits for ever: it takes
no message while the last one counts as unacknowledged, and while it takes none it does not look at the
connection, so it never learns that the broker was gone and is back. (RabbitMQ's connection is watched.)
"""

from __future__ import annotations

from celery.worker.request import Request
from kombu.asynchronous import get_event_loop

from services.log import get_logger

log = get_logger(__name__)


class AttentiveRequest(Request):  # type: ignore[misc] # Celery has no types
    """Celery's own, but that a failed acknowledgement counts as the lost connection that it is."""

    acknowledged: bool

    def acknowledge(self) -> None:
        """Acknowledge in the worker's loop, which connects anew when it meets a connection's error."""
        loop = get_event_loop()
        if loop is None:
            # The worker stops: whatever is unacknowledged goes back by itself.
            super().acknowledge()
        elif not self.acknowledged:
            self.acknowledged = True
            loop.call_soon(self._acknowledge_or_raise)  # type: ignore[no-untyped-call] # Kombu has no types

    def _acknowledge_or_raise(self) -> None:
        try:
            self.message.ack()
        except self._connection_errors as error:
            # The job is done or will be told by its row; the message comes again and is dropped.
            log.warning("message not acknowledged", reason=str(error))
            raise
