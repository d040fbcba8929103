"""Where Prometheus reads a worker's or the sweeper's figures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Metric, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from services.process_metrics import BuildCollector


class _LivingProcesses(MultiProcessCollector):
    """The figures of all children; what a dead one holds now (memory, a job) is forgotten first.

    A child that is killed cannot say so, hence the look at every scrape. Its counts stay.
    """

    def __init__(self, registry: CollectorRegistry, folder: Path) -> None:
        super().__init__(registry, str(folder))  # type: ignore[no-untyped-call] # prometheus_client's gap
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Collect from the shared files."""
        for path in self._folder.glob("gauge_live*.db"):
            pid = int(path.stem.rpartition("_")[2])
            if not _lives(pid):
                mark_process_dead(pid, str(self._folder))  # type: ignore[no-untyped-call] # as above
        families: Iterable[Metric] = super().collect()  # type: ignore[no-untyped-call] # as above
        return families


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def serve_worker(port: int, folder: Path) -> None:
    """Serve what a worker's children write to `folder`, in a thread of this process."""
    registry = CollectorRegistry()
    _LivingProcesses(registry, folder)
    _serve(port, registry, BuildCollector("worker"))


def serve_sweeper(port: int) -> None:
    """Serve what this process counts, in a thread of its own."""
    _serve(port, REGISTRY, BuildCollector("sweeper"))


def _serve(port: int, registry: CollectorRegistry, build: Collector) -> None:
    registry.register(build)
    start_http_server(port, registry=registry)
