"""Prometheus metrics of one process: what it is, its database connections, what it can reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from prometheus_client import disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, QueuePool

from services.health import Health
from services.version import VERSION


class BuildCollector(Collector):
    """Which version runs here, in which role; the value is always 1."""

    def __init__(self, role: str) -> None:
        self._role = role
        # The time of each counter's birth would be one more series for each, which nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus_client's gap

    def collect(self) -> Iterable[Metric]:
        """Yield the one sample."""
        build = GaugeMetricFamily(
            "karyobridge_build_info", "Version of the software that runs here.", labels=["version", "role"]
        )
        build.add_metric([VERSION, self._role], 1)
        yield build


class PoolCollector(Collector):
    """Connections to the database that this process holds, and the most that it may."""

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine = engine
        self._most = most

    def collect(self) -> Iterator[Metric]:
        """Read the pool; asks nobody."""
        pool = cast("QueuePool", self._engine.pool)
        held = GaugeMetricFamily(
            "karyobridge_database_connections", "Open connections by use.", labels=["state"]
        )
        held.add_metric(["in_use"], pool.checkedout())
        held.add_metric(["idle"], pool.checkedin())
        yield held
        yield GaugeMetricFamily(
            "karyobridge_database_connections_max", "Connections that this process may open.", self._most
        )


class ReachCollector(Collector):
    """Whether database, broker and store answer this process, asked at each scrape with a deadline."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering asks nobody."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Ask every part at the same time."""
        reach = GaugeMetricFamily(
            "karyobridge_part_up", "Whether a part that this process leans on answers.", labels=["part"]
        )
        for part in self._health.ask():
            reach.add_metric([part.name], float(part.ok))
        yield reach
