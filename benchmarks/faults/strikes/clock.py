"""Clocks of workers, API and sweeper that jump by hours while the database's stays."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

from benchmarks.faults.stage import Options, Seen, Stage
from benchmarks.faults.strikes.base import Blow, Fault, NotPossibleError
from benchmarks.faults.traffic import Traffic

LIBRARY: Final = "LIBFAKETIME"
JUMPS: Final = ("+5h", "-5h", "+30h", "-30h", "+0")


class ClockJump(Fault):
    """libfaketime tells each process the time that a file says; monotonic clocks go on."""

    name: ClassVar[str] = "clock"
    title: ClassVar[str] = "the clocks of API, workers and sweeper jump by hours, forward and back"
    place: ClassVar[str] = "faked clocks"

    @contextmanager
    def options(self, folder: Path, broker_url: str) -> Iterator[Options]:
        """Needs libfaketime, where the variable `LIBRARY` says."""
        library = os.environ.get(LIBRARY, "")
        if not Path(library).is_file():
            raise NotPossibleError(f"set {LIBRARY} to the path of libfaketimeMT.so.1")
        folder.mkdir(parents=True, exist_ok=True)
        self._told = folder / "time"
        self._told.write_text("+0\n", encoding="ascii")
        environment = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._told),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }
        yield Options(environment=environment, broker_url=broker_url)

    def strike(self, stage: Stage, hit: Sequence[Seen], rng: random.Random) -> Blow:
        """Set the clocks to another hour, under requests; they stay there."""
        del hit
        jump = rng.choice([one for one in JUMPS if one != self._told.read_text(encoding="ascii").strip()])
        traffic = Traffic(stage, rng)
        traffic.start()
        self._told.write_text(f"{jump}\n", encoding="ascii")
        time.sleep(1.5)
        breaches = traffic.breaches()
        return Blow({"clock": jump}, breaches, list(traffic.accepted.values()))
