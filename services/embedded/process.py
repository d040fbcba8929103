"""A child process that logs to a file, dies with its starter and can be stopped for certain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")
MAX_LOG_BYTES = 10 * 1024**2
KILL_WAIT_S = 5.0
ORPHAN_GRACE_S = 8.0


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group id to run as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Command:
    """What to run and how it wants to be asked to end."""

    name: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    account: Account | None = None
    inherited: Sequence[int] = ()
    folder: Path | None = None


class ManagedProcess:
    """A started `Command`, leader of its own session so that a Ctrl-C reaches only the supervisor.

    On Linux the process ends with the *thread* that started it: start it from one that stays.
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        self._asked = False
        identity = ["--as", f"{command.account.uid}:{command.account.gid}"] if command.account else []
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER)]
        rotate(command.log)
        with command.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
                [
                    *launcher,
                    str(os.getpid()),
                    str(int(command.stop_signal)),
                    str(ORPHAN_GRACE_S),
                    *identity,
                    "--",
                    *command.arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=None if command.environment is None else dict(command.environment),
                cwd=command.folder,
                start_new_session=True,
                pass_fds=tuple(command.inherited),
            )

    @property
    def pid(self) -> int:
        """The process id, which is also its group's."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self._process.poll()

    def wait(self, patience_s: float) -> int:
        """Wait for its end and return the exit status; raises `subprocess.TimeoutExpired`."""
        return self._process.wait(patience_s)

    def ask_to_stop(self) -> None:
        """Send the polite signal, once, and return at once; many programs take a second one as haste."""
        if self.poll() is None and not self._asked:
            self._asked = True
            self._process.send_signal(self.command.stop_signal)

    def stop(self, patience_s: float) -> None:
        """Ask, wait, then kill the process and everything else in its group."""
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        # Its own children may outlive it, and killing the leader alone would leave them behind.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(KILL_WAIT_S)


def rotate(log: Path) -> None:
    """Keep one earlier log once this one has grown large."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        if log.stat().st_size > MAX_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
