"""An installation of one's own for a measurement: database, broker, store, API and workers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from services.bootstrap import bootstrap
from services.config import Settings
from services.db.engine import SessionFactory, make_engine, session_factory
from services.embedded.postgres import EmbeddedPostgres
from services.embedded.redis import EmbeddedRedis
from services.jobs.celery_dispatch import CeleryDispatcher
from services.jobs.service import JobService

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN_S = 120.0
POLL_S = 0.1


@dataclass(frozen=True)
class Installation:
    """What runs, and how to ask it."""

    settings: Settings
    sessions: SessionFactory
    jobs: JobService
    url: str
    api: psutil.Process
    stack: ExitStack

    def worker(self, **environment: str) -> psutil.Process:
        """Start one more worker, which runs one job at a time."""
        changed = self._environment() | environment
        return self.stack.enter_context(_process(("workers",), changed))

    def sweeper(self) -> psutil.Process:
        """Start a sweeper."""
        return self.stack.enter_context(_process(("workers.sweeper",), self._environment()))

    def client(self, **options: object) -> httpx.Client:
        """Return a client of the API."""
        return httpx.Client(base_url=self.url, timeout=600, **options)  # type: ignore[arg-type]

    def _environment(self) -> dict[str, str]:
        return environment_of(self.settings)


@contextmanager
def installed(**changes: object) -> Iterator[Installation]:
    """Start everything but workers; nothing is left at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        database_url = stack.enter_context(EmbeddedPostgres(folder)).url
        broker_url = stack.enter_context(EmbeddedRedis(folder)).url
        settings = Settings(
            _env_file=None,
            data_dir=folder,
            database_url=database_url,
            broker_url=broker_url,
            object_store_url=(folder / "objects").as_uri(),
            port=free_port(),
            torch_threads=1,
            **changes,  # type: ignore[arg-type]
        )
        engine = make_engine(database_url)
        stack.callback(engine.dispose)
        bootstrap(settings)
        api = stack.enter_context(_process(("api",), environment_of(settings)))
        url = f"http://127.0.0.1:{settings.port}"
        wait_until(lambda: _answers(url), READY_WITHIN_S, "the API answers")
        dispatcher = CeleryDispatcher(broker_url)
        stack.callback(dispatcher.close)
        sessions = session_factory(engine)
        jobs = JobService(sessions, dispatcher, settings)
        yield Installation(settings, sessions, jobs, url, api, stack)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment that gives a process these settings."""
    told = {
        name.upper(): str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)
        for name, value in settings
        if name in settings.model_fields_set
    }
    quiet = {"LOG_LEVEL": "WARNING", "OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "3000"}
    return dict(os.environ) | quiet | told


def wait_until(done: Callable[[], bool], within_s: float, what: str) -> None:
    """Poll until something is so.

    Raises
    ------
    SystemExit
        It was not in time.
    """
    deadline = time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"Not within {within_s:.0f} s: {what}.")
        time.sleep(POLL_S)


@contextmanager
def _process(module: tuple[str, ...], environment: dict[str, str]) -> Iterator[psutil.Process]:
    process = subprocess.Popen([sys.executable, "-m", *module], cwd=ROOT, env=environment)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
