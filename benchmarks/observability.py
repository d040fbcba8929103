"""What watching costs: ``python -m benchmarks.observability scrape`` and ``… tracing``.

``scrape`` fills a database with a million ended jobs and reads the figures of jobs as Prometheus does.
``tracing`` asks the application for a job again and again, in turns: without a look at traces in log
lines, with tracing off as it is by default, and with spans sent to a collector. Its rate is per second of
CPU time of the process, client included, so that a busy machine does not decide; only ratios mean something.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import Engine, text

from api.app import create_app
from api.wiring import wire
from services import tracing
from services.config import Settings
from services.db.engine import make_engine, session_factory
from services.db.migrate import upgrade
from services.embedded.postgres import EmbeddedPostgres
from services.jobs.dispatch import NullDispatcher
from services.jobs.totals import TotalsRepository
from services.log import configure_logging
from services.metrics import JobCollector
from tests.support.otlp import running_collector

ENDED = 1_000_000
UNCOUNTED = 2_000
QUEUED = 1_000
ITEMS = 10_000
SCRAPES = 10
ROUNDS = 5
REQUESTS = 100

_FILL = """
INSERT INTO jobs (id, kind, status, params, inputs, artifacts, queue, priority, attempt, max_attempts,
    progress_unit, progress_message, result, created_at, started_at, finished_at, uncounted_since)
SELECT 'job_' || lpad(CAST(g AS text), 12, '0'),
    (ARRAY['scoring', 'segmentation', 'classification', 'diagnostic'])[1 + g % 4],
    (ARRAY['succeeded', 'failed', 'partial'])[1 + g % 3],
    jsonb_build_object('a', repeat('x', 300)), '{}', '{}', 'gpu', 6, 1, 3, 'images', '',
    jsonb_build_object('b', repeat('y', 300)), now() - make_interval(secs => 2000009 - g),
    now() - make_interval(secs => 2000005 - g), now() - make_interval(secs => 2000000 - g),
    CASE WHEN g > :counted THEN to_timestamp(0) END
FROM generate_series(1, :ended) g;
INSERT INTO jobs (id, kind, status, params, inputs, artifacts, queue, priority, attempt, max_attempts,
    progress_unit, progress_message)
SELECT 'job_queued' || g, 'scoring', 'queued', '{}', '{}', '{}', 'gpu', 6, 0, 3, 'images', ''
FROM generate_series(1, :queued) g;
INSERT INTO jobs (id, kind, status, params, inputs, artifacts, queue, priority, attempt, max_attempts,
    progress_unit, progress_message, started_at, lease_token, lease_expires_at)
VALUES ('job_running', 'scoring', 'running', '{}', '{}', '{}', 'gpu', 6, 1, 3, 'images', '', now(), 't',
    now() + interval '1 h');
INSERT INTO job_items (job_id, position, input_id, status, finished_at)
SELECT 'job_' || lpad(CAST(g AS text), 12, '0'), 0, 'img_' || g, 'succeeded', now()
FROM generate_series(1, :ended) g
UNION ALL SELECT 'job_running', g, 'img_' || g, 'succeeded', now() FROM generate_series(1, :items) g;
"""


@contextmanager
def database() -> Iterator[Engine]:
    """Make an empty database that waits for no disk."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder), durable=False) as postgres:
        engine = make_engine(postgres.url)
        upgrade(engine)
        yield engine
        engine.dispose()


def measure_scrapes() -> None:
    """Print what a scrape takes before and after the sweep has counted, and after a VACUUM."""
    with database() as engine:
        plain = engine.execution_options(isolation_level="AUTOCOMMIT")
        with plain.connect() as connection:
            connection.execute(text("SET statement_timeout = 0"))
            numbers = {"ended": ENDED, "counted": ENDED - UNCOUNTED, "queued": QUEUED, "items": ITEMS}
            for statement in filter(str.strip, _FILL.split(";")):
                connection.execute(text(statement), numbers)
            connection.execute(text("ANALYZE"))
        registry = CollectorRegistry()
        registry.register(JobCollector(session_factory(engine)))
        print(
            f"{ENDED} ended jobs, {UNCOUNTED} of them not counted, {QUEUED} queued, 1 running, {ITEMS} items"
        )
        print("scrape, ms:", _scrapes(registry))
        started = time.perf_counter()
        with session_factory(engine).begin() as session:
            counted = TotalsRepository(session).count_ended()
        print(f"counting {counted} jobs: {1000 * (time.perf_counter() - started):.0f} ms")
        print("scrape, ms:", _scrapes(registry))
        with plain.connect() as connection:
            connection.execute(text("VACUUM ANALYZE jobs"))
        print("scrape after VACUUM, ms:", _scrapes(registry))


def _scrapes(registry: CollectorRegistry) -> str:
    took_ms = []
    for _ in range(SCRAPES):
        started = time.perf_counter()
        if b"karyobridge_job_metrics_up 1.0" not in generate_latest(registry):
            raise SystemExit("the scrape failed")
        took_ms.append(1000 * (time.perf_counter() - started))
    return f"median {statistics.median(took_ms):.0f} ({min(took_ms):.0f} to {max(took_ms):.0f})"


def measure_tracing() -> None:
    """Print requests per CPU second in three ways, and what share of the first each has."""
    rates: dict[str, list[float]] = {"no look at traces": [], "off": [], "on": []}
    with database() as engine, running_collector() as collector, redirect_stderr(io.StringIO()):
        settings = Settings(_env_file=None, object_store_url="memory:///")
        configure_logging()
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.endpoint
        wired = wire(settings, engine=engine, dispatcher=NullDispatcher())
        path = f"/v1/jobs/{wired.jobs.submit('diagnostic', {}).id}"
        untraced = create_app(wired)
        tracing.start("api")
        provider, look = tracing._ACTIVE.provider, tracing.current_ids
        traced = create_app(wire(settings, engine=engine, dispatcher=NullDispatcher()))
        for _ in range(ROUNDS):
            for way, measured in rates.items():
                tracing.use(provider if way == "on" else None)
                tracing.current_ids = look if way != "no look at traces" else lambda: None
                measured.append(asyncio.run(_rate(traced if way == "on" else untraced, path)))
        tracing.use(provider)
        tracing.stop()
    first = statistics.median(next(iter(rates.values())))
    for way, measured in rates.items():
        median = statistics.median(measured)
        spread = f"{min(measured):.0f} to {max(measured):.0f}"
        print(f"{way}: median {median:.0f} / CPU second ({spread}), {median / first:.2f} of the first")
    print(f"{len(collector.spans)} spans received")


async def _rate(app: FastAPI, path: str) -> float:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://benchmark") as client:
        started = time.process_time()
        for _ in range(REQUESTS):
            (await client.get(path)).raise_for_status()
        return REQUESTS / (time.process_time() - started)


def main() -> int:
    """Measure one of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.observability", description=__doc__)
    parser.add_argument("what", choices=("scrape", "tracing"))
    {"scrape": measure_scrapes, "tracing": measure_tracing}[parser.parse_args().what]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
