"""A service of our own for the length of the demonstration, in a process of its own.

The client knows the service by its command and its address only; the supervisor behind the command
starts the engines, the API and a worker, and ends them when it is told to.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from client.errors import ClientError
from client.http import Client
from client.retries import RetryPolicy

COMMAND = (sys.executable, "-m", "services.embedded")
READY_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 45.0
POLL_S = 0.2
TAIL_LINES = 25


class ServiceStartError(ClientError):
    """The service ended or stayed silent while it should have become ready."""

    code = "service_start_failed"

    def __init__(self, reason: str, log: Path) -> None:
        self.log = log
        super().__init__(f"The service did not start: {reason}. Its whole log is {log}.")


@dataclass
class DemoService:
    """Starts on entry, is ready when `wait_ready` returns, and stops on exit unless `keep` is set.

    Attributes
    ----------
    root
        The checkout, from which the service runs.
    data_dir
        Where its engines, objects and log live.
    """

    root: Path
    data_dir: Path
    keep: bool = False
    command: tuple[str, ...] = COMMAND

    def __enter__(self) -> Self:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.data_dir / "service.log"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DATA_DIR": str(self.data_dir.resolve()),
        }
        with self.log.open("wb") as log, postponed_signals() as came:
            self._process = subprocess.Popen(  # noqa: S603 - the command is our own constant
                self.command,
                cwd=self.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for us; the service is then told by `stop`, in order.
                start_new_session=True,
            )
            if came:
                self.stop()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not (self.keep and error is None):
            self.stop()

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self._process.pid

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> float:
        """Return the seconds until the service was ready.

        Raises
        ------
        ServiceStartError
            Its process ended, or `timeout_s` passed.
        """
        started = time.monotonic()
        with Client(self.url, retry=RetryPolicy(attempts=1), timeout_s=5.0) as client:
            while (waited_s := time.monotonic() - started) < timeout_s:
                code = self._process.poll()
                if code is not None:
                    raise ServiceStartError(f"its process ended with {code}", self.log)
                if _is_ready(client):
                    return waited_s
                time.sleep(POLL_S)
        raise ServiceStartError(f"it was not ready after {timeout_s:.0f} s", self.log)

    def stop(self) -> None:
        """End the service and everything it started; by force if it does not listen."""
        # A second Ctrl-C must not leave half of the service behind.
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            if self._process.poll() is None:
                self._process.terminate()
                try:
                    self._process.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    os.killpg(self._process.pid, signal.SIGKILL)
                    self._process.wait()
        finally:
            signal.signal(signal.SIGINT, previous)

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines of the service's log."""
        try:
            with self.log.open(encoding="utf-8", errors="replace") as stream:
                return "".join(deque(stream, maxlen=lines)).rstrip()
        except OSError:
            return ""


@contextmanager
def postponed_signals() -> Iterator[list[int]]:
    """Let signals that end the demonstration wait until the block is left; the list has those that came.

    On a busy machine a process is started in seconds, and nobody knows its id before: who leaves then
    leaves it running.
    """
    came: list[int] = []
    previous = {
        number: signal.signal(number, lambda late, _: came.append(late))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) != signal.SIG_IGN  # as `nohup` does; it ends nobody
    }
    try:
        yield came
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    for late in came:
        signal.raise_signal(late)


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_ready(client: Client) -> bool:
    try:
        return client.health().ready
    except ClientError:
        return False
