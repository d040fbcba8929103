"""Job ids through Celery: the one place outside `workers` that knows it.

Ids are sent by name, so a sender needs none of the workers' code. The queues are declared alike by
senders and workers; both get their Celery application from `make_celery`.
"""

from __future__ import annotations

import socket
from functools import cached_property
from typing import Any, Final

from celery import Celery
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError

from services.jobs.errors import BrokerAwayError
from services.jobs.kinds import LONGEST_RUN_S, PRIORITIES

RUN_JOB: Final = "karyobridge.run_job"
SWEEP: Final = "karyobridge.sweep"

MAX_PRIORITY: Final = max(PRIORITIES)
# A worker acknowledges late, so brokers must not take a message for lost while its job runs. It
# would do no harm (the claim turns a second worker away), but it would be noise in every long run.
UNACKED_LIMIT_S: Final = int(LONGEST_RUN_S) + 3600
SEND_TIMEOUT_S: Final = 5.0
# Of an idle connection: asked after 10 s whether the broker is there, and given up after 20 s of silence.
# (RabbitMQ's client asks by itself.) macOS has not all of these options.
_ASKED: Final = {
    getattr(socket, name): value
    for name, value in {
        "TCP_KEEPIDLE": 10,
        "TCP_KEEPINTVL": 5,
        "TCP_KEEPCNT": 2,
        "TCP_USER_TIMEOUT": 20_000,
    }.items()
    if hasattr(socket, name)
}
_SEND_RETRIES: Final = {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5}


def make_celery(broker_url: str) -> Celery:
    """Make a Celery application that talks to the broker our way.

    Parameters
    ----------
    broker_url
        ``redis://…``, ``redis+socket://…`` or ``amqp://…``.
    """
    app = Celery("karyobridge", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_default_delivery_mode="persistent",
        task_publish_retry_policy=_SEND_RETRIES,
        broker_connection_timeout=SEND_TIMEOUT_S,
        broker_transport_options=_transport_options(broker_url),
        worker_send_task_events=False,
        task_send_sent_event=False,
    )
    return app


def make_queue(name: str, broker_url: str) -> Queue:
    """Describe a queue; sender and worker must agree on every argument, or RabbitMQ refuses it."""
    arguments: dict[str, Any] = {}
    if not _on_redis(broker_url):
        arguments = {"x-max-priority": MAX_PRIORITY, "x-consumer-timeout": UNACKED_LIMIT_S * 1000}
    exchange = Exchange(name, type="direct")  # type: ignore[no-untyped-call] # kombu has no types
    return Queue(name, exchange, routing_key=name, queue_arguments=arguments)  # type: ignore[no-untyped-call]


class CeleryDispatcher:
    """A `Dispatcher` over Redis or RabbitMQ; safe to share between threads.

    Parameters
    ----------
    broker_url
        As for `make_celery`.
    """

    def __init__(self, broker_url: str) -> None:
        self._app = make_celery(broker_url)
        self._broker_url = broker_url

    def send(self, job_id: str, queue: str, priority: int) -> None:
        """Send a job's id; raises `BrokerAwayError` if the broker does not take it within seconds."""
        try:
            self._app.send_task(
                RUN_JOB,
                args=(job_id,),
                queue=make_queue(queue, self._broker_url),
                # Kombu on Redis serves small numbers first, RabbitMQ large ones.
                priority=MAX_PRIORITY - priority if _on_redis(self._broker_url) else priority,
                ignore_result=True,
            )
        except self._away as error:
            raise BrokerAwayError(f"The broker did not take job {job_id}: {error}") from error

    def waiting(self, queue: str) -> int:
        """Count the ids that no worker has taken; raises `BrokerAwayError`."""
        try:
            with self._connection() as connection:
                bound: Any = make_queue(queue, self._broker_url)(connection.default_channel)
                return int(bound.queue_declare().message_count)
        except self._away as error:
            raise BrokerAwayError(f"The broker does not answer: {error}") from error

    def check(self) -> None:
        """Raise `BrokerAwayError` unless the broker answers."""
        try:
            self._connection().release()
        except self._away as error:
            raise BrokerAwayError(f"The broker does not answer: {error}") from error

    def close(self) -> None:
        """Give the connections back."""
        self._app.close()

    @cached_property
    def _away(self) -> tuple[type[BaseException], ...]:
        """What a lost broker raises: the library's own errors come through where Kombu does not connect."""
        connection = self._app.connection_for_write()
        return (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors)

    def _connection(self) -> Any:
        connection = self._app.connection_for_write()
        try:
            return connection.ensure_connection(max_retries=1, timeout=SEND_TIMEOUT_S)
        except BaseException:
            connection.release()
            raise


def _on_redis(broker_url: str) -> bool:
    return broker_url.startswith(("redis", "rediss", "sentinel"))


def _transport_options(broker_url: str) -> dict[str, Any]:
    if not _on_redis(broker_url):
        return {"confirm_publish": True, "max_retries": 2, "interval_start": 0.1}
    return {
        "visibility_timeout": UNACKED_LIMIT_S,
        "priority_steps": sorted(MAX_PRIORITY - priority for priority in PRIORITIES),
        "socket_connect_timeout": SEND_TIMEOUT_S,
        "socket_keepalive": True,
        "socket_keepalive_options": _ASKED,
        "max_retries": 2,
        "interval_start": 0.1,
    }
