"""The yardstick of `benchmarks.jobs`: Celery on Redis with its own defaults and nothing of ours.

Run as ``python -m benchmarks.bare_celery BROKER_URL`` it is a worker with one process.
"""

from __future__ import annotations

import sys

import redis
from celery import Celery
from celery.utils.log import get_task_logger

NOOP = "bare.noop"
MARK = "bare.mark"
MARK_KEY = "bare-mark"
QUEUE = "bare"

log = get_task_logger(__name__)


def make_app(broker_url: str) -> Celery:
    """Make an application with a task that does nothing, and one that says that it ran."""
    app = Celery("bare", broker=broker_url, set_as_current=False)
    app.conf.task_default_queue = QUEUE
    app.conf.task_ignore_result = True

    def mark(value: str) -> None:
        connect(broker_url).rpush(MARK_KEY, value)

    app.task(name=NOOP)(_nothing)
    app.task(name=MARK)(mark)
    return app


def connect(broker_url: str) -> redis.Redis:
    """Connect to the broker's Redis."""
    return redis.Redis(unix_socket_path=broker_url.removeprefix("redis+socket://"))


def _nothing() -> None:
    """Be the task that costs nothing but its journey."""


if __name__ == "__main__":
    make_app(sys.argv[1]).worker_main(
        ["worker", "--pool=prefork", "--concurrency=1", "--loglevel=WARNING", f"--queues={QUEUE}"]
    )
