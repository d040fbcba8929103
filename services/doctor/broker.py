"""The broker: does it answer, does it keep messages, do its queues have our arguments."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

from amqp.exceptions import AMQPError, PreconditionFailed  # type: ignore[import-untyped] # as kombu
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from services.doctor.findings import Finding, fail, ok, skipped, warn
from services.doctor.installation import Installation
from services.jobs.celery_dispatch import SEND_TIMEOUT_S, CeleryDispatcher, make_celery
from services.jobs.errors import BrokerAwayError

_EVICTION_ADVICE: Final = (
    "CONFIG SET maxmemory-policy noeviction, and in redis.conf: Redis throws messages away otherwise."
)
_APPEND_ADVICE: Final = (
    "CONFIG SET appendonly yes, and in redis.conf: without it a restart loses the messages. No job is lost, "
    "but each waits for the sweep."
)


def check_broker(installation: Installation) -> Iterator[Finding]:
    """Connect, look what kind of broker answers, and whether it keeps what it is given."""
    if not installation.broker_url:
        yield fail(
            "broker",
            "BROKER_URL is empty, and no embedded broker of this data directory runs",
            "Set BROKER_URL, or start everything with `make serve`.",
        )
        return
    try:
        with make_celery(installation.broker_url).connection_for_read() as connection:
            started = time.perf_counter()
            connection.ensure_connection(max_retries=1, timeout=SEND_TIMEOUT_S)
            yield from _judge(connection, time.perf_counter() - started)
    except (OperationalError, OSError, AMQPError, RedisError, KeyError, ValueError) as error:
        yield fail(
            "broker",
            f"it cannot be used: {error} ({type(error).__name__})",
            "Check that the broker runs and the firewall lets this machine in. BROKER_URL looks like "
            "redis://host:6379/0 or amqp://user:password@host//; check name and password.",
        )


def _judge(connection: Any, seconds: float) -> Iterator[Finding]:
    took = f"connected in {seconds * 1000:.0f} ms"
    if connection.transport.driver_type == "redis":
        client = connection.default_channel.client
        server = client.info("server")
        yield ok("broker", f"Redis {server['redis_version']}, {took}")
        yield from _judge_redis(client)
    else:
        properties = connection.connection.server_properties
        yield ok("broker", f"{properties.get('product', 'AMQP')} {properties.get('version', '')}, {took}")


def _judge_redis(client: Any) -> Iterator[Finding]:
    try:
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy")
        append = client.config_get("appendonly").get("appendonly")
    except RedisError:
        yield skipped(
            "broker storage",
            "its configuration is not shown; it should have maxmemory-policy noeviction, appendonly yes",
        )
        return
    if policy != "noeviction":
        yield fail("broker storage", f"maxmemory-policy is {policy}", _EVICTION_ADVICE)
    if append != "yes":
        yield warn("broker storage", f"appendonly is {append}", _APPEND_ADVICE)
    if policy == "noeviction" and append == "yes":
        yield ok("broker storage", "messages survive a restart, and none is thrown away")


def check_queues(installation: Installation) -> Iterator[Finding]:
    """Declare our queues as every process does, which fails where somebody declared them otherwise."""
    settings = installation.settings
    with closing(CeleryDispatcher(installation.broker_url)) as dispatcher:
        for queue in dict.fromkeys((settings.gpu_queue, settings.cpu_queue)):
            try:
                yield ok(f"queue {queue}", f"{dispatcher.waiting(queue)} messages wait")
            except PreconditionFailed:
                yield fail(
                    f"queue {queue}",
                    "it exists in the broker with other arguments than ours",
                    f"Stop the workers, delete it (`rabbitmqctl delete_queue {queue}`) and start them: jobs "
                    "are in the database, and are sent again.",
                )
            except (BrokerAwayError, AMQPError) as error:
                yield fail(f"queue {queue}", str(error), "Look at the broker's log.")
