"""A message that is acknowledged, or else a worker that connects anew.

Celery logs an acknowledgement that fails and goes on. Over Redis the worker then waits for ever: it takes
no message while the last one counts as unacknowledged, and while it takes none it does not look at the
connection, so it never learns that the broker was gone and is back. (RabbitMQ's connection is watched.)
"""

from __future__ import annotations

from typing import Any, ClassVar

from celery.signals import worker_ready
from celery.worker.request import Request
from kombu.asynchronous import Hub

from services.log import get_logger

log = get_logger(__name__)


class AttentiveRequest(Request):  # type: ignore[misc] # Celery has no types
    """Celery's own, but that a failed acknowledgement counts as the lost connection that it is."""

    acknowledged: bool
    # Kombu's own `get_event_loop` knows of none any more once a worker has connected anew.
    loop: ClassVar[Hub | None] = None

    def acknowledge(self) -> None:
        """Acknowledge in the worker's loop, which connects anew when it meets a connection's error."""
        if self.loop is None:  # a pool of threads, whose worker looks at its connection itself
            super().acknowledge()
        elif not self.acknowledged:
            self.acknowledged = True
            self.loop.call_soon(self._acknowledge_or_raise)  # type: ignore[no-untyped-call] # Kombu has no types

    def _acknowledge_or_raise(self) -> None:
        try:
            self.message.ack()
        except self._connection_errors as error:
            # The job is done or will be told by its row; the message comes again and is dropped.
            log.warning("message not acknowledged", reason=str(error))
            raise


@worker_ready.connect  # type: ignore[untyped-decorator] # Celery has no types
def remember_loop(sender: Any, **_: object) -> None:
    """Keep the worker's loop, which outlives its connections."""
    AttentiveRequest.loop = sender.hub
