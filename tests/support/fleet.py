"""Real workers and sweepers in processes of their own, which tests may kill, freeze and starve."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from api.wiring import Wiring, wire
from services.config import Settings
from services.db.engine import SessionFactory
from services.ids import new_id
from services.jobs.celery_dispatch import CeleryDispatcher
from services.jobs.service import JobService
from services.jobs.types import Job, JobItem
from services.pagination import PageRequest
from tests.support import servers

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
POLL_S = 0.02
END_WITHIN_S = 60.0

Found = TypeVar("Found")


def eventually(probe: Callable[[], Found | None], what: str, within_s: float = PATIENCE_S) -> Found:
    """Ask until there is an answer, and fail with `what` if there is none in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(POLL_S)
    raise AssertionError(f"Not within {within_s} s: {what}")


@dataclass
class Worker:
    """A worker: the parent that receives messages, and its child that runs jobs."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def parent(self) -> psutil.Process:
        """The process that was started."""
        return psutil.Process(self.process.pid)

    def child(self) -> psutil.Process:
        """The process that runs jobs, once there is one."""
        children = eventually(self.parent.children, "the worker has a child")
        return children[0]

    def signal_all(self, number: int) -> None:
        """Send a signal to parent and children at the same time, as a frozen machine would look."""
        for process in [self.parent, *self.parent.children()]:
            process.send_signal(number)

    def kill(self) -> None:
        """Kill everything of this worker at once, as a machine that loses power would."""
        for process in [*self.parent.children(recursive=True), self.parent]:
            process.kill()
        self.process.wait(END_WITHIN_S)

    def stop(self) -> int:
        """Send SIGTERM to the parent and wait for the worker's end."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_WITHIN_S)


@dataclass
class Fleet:
    """One queue with its jobs, workers and sweepers."""

    settings: Settings
    sessions: SessionFactory
    folder: Path
    started: list[Worker] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dispatcher = CeleryDispatcher(self.settings.broker_url.get_secret_value())
        self.jobs = JobService(self.sessions, self.dispatcher, self.settings)

    def worker(self, *, ready: bool = True) -> Worker:
        """Start a worker and wait until it takes jobs."""
        worker = self._start("workers", "--queues", self.settings.cpu_queue)
        if ready:
            self.wait_ready(worker)
        return worker

    def wait_ready(self, worker: Worker) -> None:
        """Wait until a worker has connected to the broker."""
        eventually(lambda: b"ready" in worker.log.read_bytes(), f"worker is ready, see {worker.log}")

    def sweeper(self) -> Worker:
        """Start a sweeper."""
        return self._start("workers.sweeper")

    def submit(self, **params: Any) -> Job:
        """Submit a diagnostic job."""
        return self.jobs.submit("diagnostic", params)

    def wait(self, job: Job, *statuses: str) -> Job:
        """Wait until a job has one of the statuses."""

        def reached() -> Job | None:
            found = self.jobs.get(job.id)
            return found if found.status in statuses else None

        return eventually(reached, f"job {job.id} is {' or '.join(statuses)}")

    def wait_done(self, job: Job, number: int) -> Job:
        """Wait until at least `number` items of a job are recorded."""

        def reached() -> Job | None:
            found = self.jobs.get(job.id)
            return found if found.progress.done >= number else None

        return eventually(reached, f"job {job.id} has {number} items")

    def items(self, job: Job) -> tuple[JobItem, ...]:
        """Return all items of a job."""
        return self.jobs.items(job.id, PageRequest(limit=1000)).items

    def environment(self) -> dict[str, str]:
        """Return the environment of the fleet's processes."""
        return _environment(self.settings) | self.variables

    def _start(self, module: str, *arguments: str) -> Worker:
        log = self.folder / f"{module}-{len(self.started)}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env=self.environment(),
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        worker = Worker(process, log)
        self.started.append(worker)
        return worker


@contextmanager
def fleet_of(settings: Settings, sessions: SessionFactory, folder: Path) -> Iterator[Fleet]:
    """Make a fleet whose processes are gone at the end, whatever the test did to them."""
    fleet = Fleet(settings, sessions, folder)
    try:
        yield fleet
    finally:
        for worker in fleet.started:
            if worker.process.poll() is None:
                worker.kill()
        fleet.dispatcher.close()
        servers.empty(settings)


@contextmanager
def hasty_fleet(database_url: str, sessions: SessionFactory, folder: Path, **changes: Any) -> Iterator[Fleet]:
    """Make a fleet with a broker, a store and a queue of its own, which loses a dead worker's lease soon."""
    queue = new_id("queue")
    with servers.broker(folder / "broker") as broker_url:
        settings = Settings(
            _env_file=None,
            database_url=database_url,
            broker_url=broker_url,
            object_store_url=servers.store_url(folder / "objects"),
            gpu_queue=queue,
            cpu_queue=queue,
            lease_s=3,
            sweep_interval_s=0.2,
            redispatch_after_s=1,
            retry_backoff_s=0.1,
            torch_threads=1,
            **changes,
        )
        with fleet_of(settings, sessions, folder) as fleet:
            yield fleet


@contextmanager
def wiring_of(fleet: Fleet) -> Iterator[Wiring]:
    """Give the API's side of a fleet's engines."""
    wired = wire(fleet.settings)
    try:
        yield wired
    finally:
        wired.close()


def _environment(settings: Settings) -> dict[str, str]:
    return servers.vendor_variables() | {
        "PATH": os.environ["PATH"],
        "OMP_NUM_THREADS": "1",
        "PYTHONFAULTHANDLER": "1",
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "BROKER_URL": settings.broker_url.get_secret_value(),
        "OBJECT_STORE_URL": settings.object_store_url,
        "CPU_QUEUE": settings.cpu_queue,
        "LEASE_S": str(settings.lease_s),
        "SWEEP_INTERVAL_S": str(settings.sweep_interval_s),
        "REDISPATCH_AFTER_S": str(settings.redispatch_after_s),
        "RETRY_BACKOFF_S": str(settings.retry_backoff_s),
        "CHECKPOINT_EVERY_S": str(settings.checkpoint_every_s),
        "GPU_QUEUE": settings.gpu_queue,
        "YIELD_AFTER_S": str(settings.yield_after_s),
        "MIN_TURN_S": str(settings.min_turn_s),
        "TIME_SLICE_S": str(settings.time_slice_s),
        "TORCH_THREADS": str(settings.torch_threads),
        "WEBHOOK_KEY": settings.webhook_key.get_secret_value(),
        "WEBHOOK_ALLOWED_NETWORKS": settings.webhook_allowed_networks,
        "WEBHOOK_TIMEOUT_S": str(settings.webhook_timeout_s),
        "WEBHOOK_PAUSES_S": settings.webhook_pauses_s,
    }
