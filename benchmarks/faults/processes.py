"""Processes of an installation, each in a group of its own that can be killed, frozen and started again."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import psutil

from services.embedded.process import Command, ManagedProcess

ROOT: Final = Path(__file__).resolve().parents[2]
READY_WITHIN_S: Final = 120.0
POLL_S: Final = 0.02

Found = TypeVar("Found")


class NotInTimeError(Exception):
    """Something that had to happen did not."""


def eventually(
    probe: Callable[[], Found | None], what: str, within_s: float, poll_s: float = POLL_S
) -> Found:
    """Ask until there is an answer; raises `NotInTimeError` if there is none in time."""
    deadline = time.monotonic() + within_s
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NotInTimeError(f"Not within {within_s:.0f} s: {what}")
        time.sleep(poll_s)


@dataclass
class Member:
    """One process of an installation, with whatever it starts.

    Parameters
    ----------
    prefix
        Words before the command, for example ``ip netns exec NAME``.
    """

    name: str
    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    prefix: Sequence[str] = ()
    process: ManagedProcess | None = field(default=None, init=False)
    _seen: int = field(default=0, init=False)

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        if self.process is None:
            raise NotInTimeError(f"{self.name} was not started.")
        return self.process.pid

    def start(self) -> None:
        """Start it; `says` looks only at what it logs from now on."""
        self._seen = self.log.stat().st_size if self.log.exists() else 0
        words = [*self.prefix, sys.executable, "-m", self.module, *self.arguments]
        self.process = ManagedProcess(
            Command(self.name, words, self.log, environment=dict(self.environment), folder=ROOT)
        )

    def says(self, word: bytes) -> bool:
        """Whether its log has the word since its last start."""
        with self.log.open("rb") as stream:
            stream.seek(self._seen)
            return word in stream.read()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its group at once, as a machine that loses power or freezes would."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """``kill -9`` everything of it; harmless when it was never started."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait(READY_WITHIN_S)


def kill_tree(pid: int) -> int:
    """``kill -9`` a process and all that descend from it; returns how many."""
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=READY_WITHIN_S)
    return len(family)
