"""A whole installation on one machine: servers, API, workers, sweeper, and a view of its rows."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
import psutil
from pydantic import SecretStr
from sqlalchemy import Engine, text

from api.wiring import Wiring, wire
from benchmarks.faults.objects import Objects
from benchmarks.faults.processes import READY_WITHIN_S, Member, eventually, kill_tree
from client.http import Client
from client.retries import RetryPolicy
from services.bootstrap import bootstrap
from services.config import Settings
from services.db.engine import make_engine
from services.embedded.postgres import EmbeddedPostgres
from services.embedded.redis import EmbeddedRedis
from services.jobs.celery_dispatch import CeleryDispatcher
from services.jobs.transactions import DATABASE_AWAY

HASTE: Final[Mapping[str, Any]] = {
    "lease_s": 3,
    "sweep_interval_s": 0.5,
    "redispatch_after_s": 1,
    "retry_backoff_s": 0.1,
    "checkpoint_every_s": 0.0,
    "torch_threads": 1,
}
"""Losses are noticed within seconds instead of a minute, and every checkpoint is kept."""
CLIENT_PATIENCE: Final = RetryPolicy(attempts=500, first_delay_s=0.2, max_delay_s=1.0)
NUM_WORKERS: Final = 4


@dataclass(frozen=True)
class Place:
    """Where a worker runs: words before its command, and variables of its own."""

    prefix: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """How an installation differs from the usual one.

    Attributes
    ----------
    settings
        Changes of `HASTE`.
    store_url
        Of the object store; empty: a folder.
    environment
        Additional variables of all processes.
    places
        Where workers run, in turn.
    broker_url
        A broker that runs already; it cannot be killed.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    store_url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    places: Sequence[Place] = (Place(),)
    broker_url: str = ""
    num_workers: int = NUM_WORKERS


@dataclass(frozen=True)
class Seen:
    """A job's row as it was at some moment."""

    id: str
    kind: str
    status: str
    attempt: int
    worker: str | None
    done: int
    total: int
    message: str
    recorded: int
    age_s: float
    error: str

    @property
    def ended(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status in {"succeeded", "partial", "failed", "cancelled"}

    @property
    def worker_pid(self) -> int | None:
        """Process that runs it."""
        return int(self.worker.rpartition(":")[2]) if self.worker else None


class Stage:
    """Starts everything below a folder; everything is gone at the end."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder = folder
        self.options = options
        self.postgres = EmbeddedPostgres(folder)
        self.redis = EmbeddedRedis(folder)
        self._stack = ExitStack()
        self.api: Member
        self.sweeper: Member
        self.workers: list[Member] = []

    def __enter__(self) -> Self:
        with ExitStack() as on_error:
            on_error.callback(self._stack.close)
            self._start()
            on_error.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self) -> None:
        self._stack.callback(self.postgres.stop)
        self.postgres.start()
        self._stack.callback(self.redis.stop)
        if not self.options.broker_url:
            self.redis.start()
        self.settings = self._settings()
        bootstrap(self.settings)
        environment = environment_of(self.settings) | dict(self.options.environment)
        self.api = self._member("api", "api", (), environment)
        self.sweeper = self._member("sweeper", "workers.sweeper", (), environment)
        for member in (self.api, self.sweeper):
            member.start()
        for number in range(self.options.num_workers):
            place = self.options.places[number % len(self.options.places)]
            worker = self._member(
                f"worker-{number}",
                "workers",
                ("--queues", "gpu,cpu"),
                environment | dict(place.environment),
                place.prefix,
            )
            worker.start()
            self.workers.append(worker)
        self.wait_api()
        for worker in self.workers:
            self.wait_worker(worker)

    def _member(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        prefix: Sequence[str] = (),
    ) -> Member:
        member = Member(name, module, arguments, environment, self.folder / "logs" / f"{name}.log", prefix)
        self._stack.callback(member.kill)
        return member

    def _settings(self) -> Settings:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        values = {
            "database_url": self.postgres.url,
            "broker_url": self.options.broker_url or self.redis.url,
            "object_store_url": self.options.store_url or (self.folder / "objects").as_uri(),
            "data_dir": self.folder,
            "port": port,
            "log_level": "INFO",
        }
        return Settings(_env_file=None, **(values | dict(HASTE) | dict(self.options.settings)))

    @cached_property
    def wiring(self) -> Wiring:
        """The API's side of the same servers, for preparing inputs and looking at outcomes."""
        wired = wire(self.settings)
        self._stack.callback(wired.close)
        return wired

    @cached_property
    def objects(self) -> Objects:
        """What lies in the store."""
        return Objects(self.settings.store_url)

    @cached_property
    def engine(self) -> Engine:
        """Connections of the onlooker."""
        engine = make_engine(self.settings.database_url.get_secret_value(), pool_size=2)
        self._stack.callback(engine.dispose)
        return engine

    @cached_property
    def dispatcher(self) -> CeleryDispatcher:
        """The broker as senders see it."""
        dispatcher = CeleryDispatcher(self.settings.broker_url.get_secret_value())
        self._stack.callback(dispatcher.close)
        return dispatcher

    def client(self) -> Client:
        """Open the shipped client, with the patience that outlasts a restart of the API."""
        return Client(f"http://127.0.0.1:{self.settings.port}", retry=CLIENT_PATIENCE)

    def wait_api(self) -> None:
        """Wait until the API answers."""

        def answers() -> bool:
            with suppress(httpx.TransportError):
                return httpx.get(f"http://127.0.0.1:{self.settings.port}/healthz", timeout=5).is_success
            return False

        eventually(answers, f"the API answers, see {self.api.log}", READY_WITHIN_S)

    def wait_worker(self, worker: Member) -> None:
        """Wait until a worker has connected to the broker."""
        eventually(lambda: worker.says(b"ready"), f"{worker.name} is ready, see {worker.log}", READY_WITHIN_S)

    def member_of(self, pid: int) -> Member | None:
        """Find the worker that a process belongs to."""
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            family = {pid, *(parent.pid for parent in psutil.Process(pid).parents())}
            return next((worker for worker in self.workers if worker.pid in family), None)
        return None

    def kill_database(self) -> int:
        """``kill -9`` the postmaster and every backend; returns how many processes."""
        pid = self.postgres.pid
        return 0 if pid is None else kill_tree(pid)

    def start_database(self) -> None:
        """Start it again: it recovers from its log."""
        self.postgres.stop()
        self.postgres.start()

    def kill_broker(self) -> int:
        """``kill -9`` Redis."""
        pid = self.redis.pid
        return 0 if pid is None else kill_tree(pid)

    def start_broker(self) -> None:
        """Start it again on what it had written."""
        self.redis.stop()
        self.redis.start()

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Read rows; a database that is away is waited for."""
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                with self.engine.connect() as connection:
                    return list(connection.execute(text(query), values))
            except DATABASE_AWAY:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def seen(self, job_ids: Sequence[str]) -> dict[str, Seen]:
        """Read some jobs by their ids."""
        rows = self.rows(_SEEN, ids=list(job_ids))
        return {row.id: Seen(*row) for row in rows}


_SEEN: Final = """
SELECT id, kind, status, attempt, worker, progress_done, progress_total, progress_message,
       (SELECT count(*) FROM job_items i WHERE i.job_id = jobs.id AND i.status <> 'pending'),
       coalesce(extract(epoch FROM coalesce(finished_at, clock_timestamp()) - started_at), 0)::float,
       coalesce(error->>'code', '') || ': ' || coalesce(error->>'detail', '')
FROM jobs WHERE id = ANY(:ids)
"""


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the variables that make a process read the same settings."""
    given = {}
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        given[name.upper()] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    return inherited | given | {"OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
