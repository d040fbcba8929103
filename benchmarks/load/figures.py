"""Figures of many samples, and the memory of processes while something happens."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

SAMPLE_EVERY_S = 0.5
TENTHS = 10


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return number, median, 99th percentile and maximum in milliseconds."""
    ordered = sorted(seconds)
    if not ordered:
        return {"number": 0}
    return {
        "number": len(ordered),
        "p50_ms": round(1000 * ordered[len(ordered) // 2], 2),
        "p99_ms": round(1000 * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 2),
        "max_ms": round(1000 * ordered[-1], 2),
    }


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call in milliseconds, after one to warm up."""
    call()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return round(1000 * statistics.median(taken), 3)


@dataclass
class Memory:
    """Resident memory of a process and its children over time, in MiB."""

    process: psutil.Process
    samples: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, object]:
        """Return the medians of each tenth of the time, and the maximum."""
        tenth = max(len(self.samples) // TENTHS, 1)
        parts = [self.samples[start : start + tenth] for start in range(0, len(self.samples), tenth)]
        return {
            "rss_mib_by_tenth": [round(statistics.median(part), 1) for part in parts[:TENTHS]],
            "rss_mib_max": round(max(self.samples, default=0.0), 1),
        }

    def sample(self) -> None:
        """Take one sample; a process that has ended gives none."""
        with suppress(psutil.NoSuchProcess):
            family = [self.process, *self.process.children(recursive=True)]
            # The largest: a worker's parent is small, and its child is what grows.
            self.samples.append(max(one.memory_info().rss for one in family) / 2**20)


@contextmanager
def watched(process: psutil.Process) -> Iterator[Memory]:
    """Sample the memory of a process inside the block."""
    memory, done = Memory(process), threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_EVERY_S):
            memory.sample()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield memory
    finally:
        done.set()
        watcher.join()
