"""Many rounds: which fault strikes which kinds next, until each was struck often enough."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.faults.results import Results
from benchmarks.faults.stage import Stage
from benchmarks.faults.strikes.base import Fault

if TYPE_CHECKING:
    from benchmarks.faults.rounds import Rounds

MISSES_PER_STRIKE: Final = 4
TRIES_AT_LEAST: Final = 10


@dataclass
class Campaign:
    """Faults that can be done to the same installation, taken in turn."""

    faults: Sequence[Fault]
    kinds: Sequence[str]
    repeats: int
    results: Results
    seed: int
    struck: dict[str, Counter[str]] = field(init=False)
    missed: dict[str, Counter[str]] = field(init=False)
    numbers: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        names = [fault.name for fault in self.faults]
        self.struck = {name: self.results.strikes(name) for name in names}
        self.missed = {name: Counter() for name in names}
        self.numbers = {name: self.results.last_round(name) for name in names}

    def run(self, broker_url: str) -> None:
        """Start an installation, play on it until nothing is left to do, and take it down.

        Raises
        ------
        NotPossibleError
            This machine cannot do that to anything.
        """
        from benchmarks.faults import inputs  # noqa: PLC0415 - torch, which counting rounds needs not
        from benchmarks.faults.rounds import Rounds  # noqa: PLC0415 - as above

        if not any(self._left(fault) for fault in self.faults):
            return
        with ExitStack() as stack:
            place = tempfile.TemporaryDirectory(prefix="kb-faults-", ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(place))
            folder.chmod(0o755)  # Postgres runs as another account where we are root
            options = stack.enter_context(self.faults[0].options(folder, broker_url))
            stage = stack.enter_context(Stage(folder, options))
            names = ", ".join(fault.name for fault in self.faults)
            print(f"{names}: started in {folder}", flush=True)
            rounds = Rounds(stage, inputs.prepare(stage), stack.enter_context(stage.client()))
            rounds.learn(self.kinds)
            while self._play_one(rounds):
                pass

    def _play_one(self, rounds: Rounds) -> bool:
        fault = min(self.faults, key=self._least)
        left = self._left(fault)
        if not left:
            return False
        self.numbers[fault.name] += 1
        number = self.numbers[fault.name]
        rng = random.Random(f"{self.seed}/{fault.name}/{number}")
        group = self._choose(fault, left, rounds.usual_s, rng)
        for line in rounds.play(fault, group, number, rng):
            self.results.add(fault.name, line)
            (self.struck if line["hit"] else self.missed)[fault.name][line["kind"]] += 1
            wrong = line["breaches"] | line["shared_breaches"]
            told = f"BREACH {wrong}" if wrong else line["status"]
            print(
                f"{fault.name} {number} {line['kind']}: {'hit' if line['hit'] else 'missed'}, {told}",
                flush=True,
            )
        return True

    def _left(self, fault: Fault) -> list[str]:
        """Kinds that were not struck often enough, and are not missed again and again."""
        struck, missed = self.struck[fault.name], self.missed[fault.name]
        limit = max(MISSES_PER_STRIKE * self.repeats, TRIES_AT_LEAST)
        return [kind for kind in self.kinds if struck[kind] < self.repeats and missed[kind] < limit]

    def _least(self, fault: Fault) -> float:
        left = self._left(fault)
        return min((self.struck[fault.name][kind] for kind in left), default=float("inf"))

    def _choose(
        self, fault: Fault, left: Sequence[str], usual_s: dict[str, float], rng: random.Random
    ) -> list[str]:
        """Take the kind that was struck least, and others of those struck little that run equally long."""
        struck = self.struck[fault.name]
        first = min(left, key=lambda kind: (struck[kind], rng.random()))

        def distance(kind: str) -> tuple[bool, float]:
            return struck[kind] > struck[first] + 1, abs(usual_s[kind] - usual_s[first])

        group = sorted(left, key=distance)[: fault.jobs_at_once]
        rng.shuffle(group)
        return group
