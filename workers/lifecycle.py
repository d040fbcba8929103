"""What happens once per worker process: settings, logs, connections, and the wish to stop.

Celery's prefork pool is used because a process is the only thing that can die alone: a pipeline
that crashes or is killed takes one child with it, and the parent, which never imports a network,
starts another. Everything below happens in a child, after the fork.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
from functools import cache
from types import FrameType
from typing import Any, Final

from billiard.process import active_children  # type: ignore[import-untyped] # as Celery, it has no types
from celery import signals
from celery.apps import worker as celery_worker
from prometheus_client import REGISTRY

from services import tracing
from services.clock import utc_now
from services.config import Settings, load_settings
from services.db.engine import make_engine, session_factory
from services.jobs.celery_dispatch import CeleryDispatcher
from services.jobs.transactions import PatientTransactions, relaxed_sessions
from services.log import configure_logging
from services.pipelines.resources import ModelCache, Resources
from services.redaction import secrets_of
from services.storage.factory import open_store
from services.storage.observed import ObservedStore, StoreMetrics
from workers.runner import JobRunner, WorkerProcess

# One connection for the pipeline and one for the thread that keeps its lease, of either sort.
POOL_SIZE: Final = 2


class StopWish:
    """Whether this process should hand its job back: it was told to, or its parent is gone.

    The wish is for the present job. A worker that stops gets no other one; a child that somebody
    told by mistake goes on with the next, instead of handing back every job for ever.
    """

    def __init__(self) -> None:
        self._told = False
        self._parent = os.getppid()

    def __call__(self) -> bool:
        """Return the answer; cheap."""
        return self._told or os.getppid() != self._parent

    def tell(self, _signal: int, _frame: FrameType | None) -> None:
        """Take the signal that means stop."""
        self._told = True

    def forget(self) -> None:
        """Start afresh for the next job."""
        self._told = False


@cache
def settings() -> Settings:
    """Read the settings once per process."""
    return load_settings()


@cache
def stop_wish() -> StopWish:
    """Return this process's wish to stop."""
    return StopWish()


@cache
def runner() -> JobRunner:
    """Connect this process to database, store and broker, when its first job comes.

    SIGTERM is taken over here and not earlier, because the pool sets its own handlers after every
    hook that it offers. An idle child may die of SIGTERM.
    """
    signal.signal(signal.SIGTERM, stop_wish().tell)
    wanted = settings()
    # Threads do not outlive a fork, so the one that sends spans begins here, in the child.
    tracing.start("worker")
    database_url = wanted.database_url.get_secret_value()
    sessions = session_factory(make_engine(database_url, pool_size=POOL_SIZE))
    _, relaxed = relaxed_sessions(database_url, POOL_SIZE)
    resources = Resources(
        session_factory=sessions,
        store=ObservedStore(open_store(wanted.store_url), StoreMetrics(REGISTRY)),
        settings=wanted,
        cache=ModelCache(wanted.model_cache_size),
    )
    return JobRunner(
        resources,
        PatientTransactions(sessions, relaxed, wanted.lease_s),
        CeleryDispatcher(wanted.broker_url.get_secret_value()),
        WorkerProcess(f"{socket.gethostname()}:{os.getpid()}", stop_wish(), end_process),
    )


def end_process() -> None:
    """End this process as a crash would; its parent replaces it."""
    os.kill(os.getpid(), signal.SIGKILL)


def set_up_logging(**_: Any) -> None:
    """Log our way; what Celery says of every single message is no news beside the runner's lines."""
    configure_logging(settings().log_level, settings().log_format, secrets_of(settings()))
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
    celery_worker.safe_say = say


def say(message: str, *_: Any) -> None:
    """Write what Celery says within a signal's handler, where a log could not be used."""
    line = {"event": message.strip(), "level": "info", "logger": "celery.apps.worker"}
    os.write(2, f"{json.dumps(line | {'timestamp': utc_now().isoformat()})}\n".encode())


def pass_on_the_wish(**_: Any) -> None:
    """Tell the children that the worker stops; Celery itself would wait for their jobs to end."""
    for child in active_children():
        os.kill(child.pid, signal.SIGTERM)


def send_last_spans(**_: Any) -> None:
    """Send the spans of the last seconds before this process ends."""
    tracing.stop()


signals.setup_logging.connect(set_up_logging)
signals.worker_process_shutdown.connect(send_last_spans)
signals.worker_shutting_down.connect(pass_on_the_wish)
