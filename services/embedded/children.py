"""The processes of the service, and when one that died is started again."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from services.config import Settings
from services.embedded.errors import EngineFailedError
from services.embedded.process import Command, ManagedProcess
from services.log import get_logger

ROOT = Path(__file__).resolve().parents[2]
MAX_RESTARTS = 5
RESTART_WINDOW_S = 120.0
FIRST_BACKOFF_S = 0.5

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Program:
    """One process of the service, as a module to run."""

    name: str
    module: str
    arguments: Sequence[str] = ()


def programs(settings: Settings) -> tuple[Program, ...]:
    """The processes that make up the service on one machine."""
    queues = f"{settings.gpu_queue},{settings.cpu_queue}"
    return (
        Program("api", "api"),
        Program("worker", "workers", ("--queues", queues, "--concurrency", "1")),
        Program("sweeper", "workers.sweeper"),
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """Write every setting the way `Settings` reads it, on top of our own environment.

    The children thus run with exactly these settings, wherever they came from.
    """
    environment = dict(os.environ)
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        environment[name.upper()] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return environment


@dataclass
class Child:
    """A program that is kept running.

    Parameters
    ----------
    program, log_file
        What to run and where it writes.
    environment
        All of its environment.
    now : callable returning seconds
        A clock that never goes back.
    """

    program: Program
    log_file: Path
    environment: Mapping[str, str]
    now: Callable[[], float] = time.monotonic
    _process: ManagedProcess | None = field(default=None, init=False)
    _deaths_s: deque[float] = field(default_factory=deque, init=False)
    _start_at_s: float = field(default=0.0, init=False)

    def start(self) -> None:
        """Start it now."""
        arguments = [sys.executable, "-m", self.program.module, *self.program.arguments]
        command = Command(
            self.program.name, arguments, self.log_file, environment=self.environment, folder=ROOT
        )
        self._process = ManagedProcess(command)
        log.info("process started", process=self.program.name, pid=self._process.pid)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_status(self) -> int | None:
        """How it ended, or None while it runs or was not started."""
        return self._process.poll() if self._process else None

    def supervise(self) -> None:
        """Start it again if it died, a little later each time.

        Raises
        ------
        EngineFailedError
            It died more than `MAX_RESTARTS` times within `RESTART_WINDOW_S`.
        """
        if self._process is None:
            if self.now() >= self._start_at_s:
                self.start()
            return
        status = self._process.poll()
        if status is None:
            return
        # What it had started must not go on beside its successor.
        self._process.stop(0.0)
        self._process = None
        self._note_death(status)

    def _note_death(self, status: int) -> None:
        now_s = self.now()
        self._deaths_s.append(now_s)
        while now_s - self._deaths_s[0] > RESTART_WINDOW_S:
            self._deaths_s.popleft()
        deaths = len(self._deaths_s)
        log.warning("process died", process=self.program.name, status=status, deaths=deaths)
        if deaths > MAX_RESTARTS:
            reason = f"it died {deaths} times, last with status {status}"
            raise EngineFailedError(self.program.name, reason, self.log_file)
        self._start_at_s = now_s + FIRST_BACKOFF_S * 2 ** (deaths - 1)

    def ask_to_stop(self) -> None:
        """Send the polite signal and return at once."""
        if self._process is not None:
            self._process.ask_to_stop()

    def stop(self, patience_s: float) -> None:
        """End it and everything it started."""
        if self._process is not None:
            self._process.stop(patience_s)
            self._process = None
