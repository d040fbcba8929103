"""The Celery application of a worker.

Messages are hints, the database decides; every choice here follows from that:

* Acknowledged late, prefetch one: a busy process holds no second job's message while another
  process is idle. A message that comes again finds its job running or done, and is dropped.
* No results, no events, no remote control: nobody reads them, and each is one more connection.
* A job goes on when the broker is lost: its lease is in the database. The message that the broker
  then delivers again is dropped like any duplicate.
* The hard time limit is the last resort against a pipeline that hangs and blocks even the thread
  that watches it (`services.jobs.keeper`); the parent then kills the child.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning

from services.config import Settings
from services.jobs.celery_dispatch import make_celery, make_queue
from services.jobs.keeper import HANG_GRACE_S
from services.jobs.kinds import LONGEST_RUN_S


def create_app(settings: Settings, queues: Sequence[str]) -> Celery:
    """Make the application that consumes from the given queues."""
    broker_url = settings.broker_url.get_secret_value()
    app = make_celery(broker_url)
    app.conf.update(
        include=("workers.lifecycle", "workers.tasks"),
        task_queues=[make_queue(name, broker_url) for name in queues],
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_acks_on_failure_or_timeout=True,
        task_time_limit=LONGEST_RUN_S + 2 * HANG_GRACE_S,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=False,
        worker_redirect_stdouts=False,
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
    )
    # Celery warns of root because of pickled messages; ours are JSON, and a container's root is usual.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    # Celery recommends the opposite of the setting above at each lost connection; see the reason there.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning, message=".*connection loss.*")
    return app


def make_worker(app: Celery, hostname: str, concurrency: int) -> Any:
    """Make the worker program: one parent that receives, and `concurrency` processes that run jobs."""
    return app.Worker(
        hostname=hostname,
        pool_cls="prefork",
        concurrency=concurrency,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
        loglevel="INFO",
    )
