"""Sends changed inputs to an executor, judges what came of each, and keeps what broke a rule."""

from __future__ import annotations

import hashlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Self

from benchmarks.fuzz.executor import LENGTH
from benchmarks.fuzz.limits import MAX_GROWTH_BYTES, MAX_SECONDS
from benchmarks.fuzz.mutating import mutate
from benchmarks.fuzz.target import Target

ROOT = Path(__file__).parents[2]
# Of the clock, which also runs while other processes have the processor.
_PATIENCE_S = 60.0
_STARTING_S = 600.0


@dataclass(frozen=True)
class Outcome:
    """What became of one input.

    Attributes
    ----------
    broken
        Which rule it broke, or nothing.
    """

    codes: Sequence[str] = ()
    broken: str = ""
    seconds: float = 0.0
    growth_bytes: int = 0


@dataclass
class Report:
    """What became of all inputs of one format."""

    inputs: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)
    slowest_s: float = 0.0
    growth_bytes: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.inputs += 1
        self.codes.update(set(outcome.codes))
        self.slowest_s = max(self.slowest_s, outcome.seconds)
        self.growth_bytes = max(self.growth_bytes, outcome.growth_bytes)

    def to_json(self) -> dict[str, Any]:
        """Return what a results file keeps."""
        return {
            "inputs": self.inputs,
            "codes": dict(sorted(self.codes.items())),
            "broken": self.broken,
            "slowest_s": round(self.slowest_s, 3),
            "growth_mib": round(self.growth_bytes / 2**20, 1),
        }


class Executor:
    """A process that runs inputs; it is started again after one that it did not survive."""

    def __init__(self, module: str, target: str, max_growth_bytes: int = MAX_GROWTH_BYTES) -> None:
        self._command = [sys.executable, "-m", "benchmarks.fuzz.executor", module, target]
        self._max_growth_bytes = max_growth_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def run(self, data: bytes) -> Outcome:
        """Run one input and judge it."""
        process = self._process or self._start()
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            process.stdin.write(LENGTH.pack(len(data)) + data)
            process.stdin.flush()
            line = _line_of(process, _PATIENCE_S)
        except (TimeoutError, OSError) as error:
            self._stop()
            return Outcome(broken="hang" if isinstance(error, TimeoutError) else "crash")
        if not line:
            self._stop()
            return Outcome(broken="crash")
        return self._judged(json.loads(line))

    def _judged(self, told: dict[str, Any]) -> Outcome:
        broken = told["escaped"]
        if told["growth_bytes"] > self._max_growth_bytes:
            broken = broken or f"memory: {told['growth_bytes'] >> 20} MiB"
            self._stop()  # its peak would hide those of others
        if told["seconds"] > MAX_SECONDS:
            broken = broken or f"slow: {told['seconds']:.1f} s"
        if told["left"]:
            broken = broken or f"left behind: {told['left'][:3]}"
            self._stop()
        return Outcome(told["codes"], broken, told["seconds"], told["growth_bytes"])

    def _start(self) -> subprocess.Popen[bytes]:
        self._folder = tempfile.TemporaryDirectory(prefix="karyobridge-fuzz-")
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=os.environ | {"TMPDIR": self._folder.name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if not _line_of(self._process, _STARTING_S):
            self._stop()
            raise RuntimeError(f"{' '.join(self._command)} ended before its first input.")
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # what was not written yet
                    stream.close()
        if self._folder is not None:
            self._folder.cleanup()


def inputs(name: str, target: Target, seed: int, count: int) -> Iterator[bytes]:
    """Yield all seeds as they are, and then changed ones; the same arguments give the same bytes."""
    corpus = target.seeds()
    yield from corpus
    for number in range(count):
        rng = Random(f"{seed} {name} {number}")
        yield mutate(rng.choice(corpus), corpus, rng)


def run(module: str, name: str, target: Target, *, seed: int, count: int, keep_in: Path) -> Report:
    """Try one format.

    Parameters
    ----------
    module
        Where the executor finds the target.
    keep_in
        Folder for inputs that broke a rule.
    """
    report = Report()
    with Executor(module, name) as executor:
        for data in inputs(name, target, seed, count):
            outcome = executor.run(data)
            report.add(outcome)
            if outcome.broken:
                report.broken[_kept(data, name, keep_in)] = outcome.broken
    return report


def _kept(data: bytes, name: str, folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    return path.name


def _line_of(process: subprocess.Popen[bytes], patience_s: float) -> bytes:
    """Wait for a line; raises `TimeoutError`."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(patience_s):
            raise TimeoutError
        return process.stdout.readline()
