"""What a worker process measures of its own runs; the fleet's counts come from the database.

The parent process serves them on WORKER_METRICS_PORT; its children write them to shared files,
which is prometheus_client's way for several processes.
"""

from __future__ import annotations

from collections import Counter as Tally
from typing import Final

from prometheus_client import Counter, Histogram

from services.jobs.types import Claim

SECONDS_BUCKETS: Final = (0.01, 0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)

RUNS: Final = Counter("karyobridge_worker_runs", "Attempts at jobs, by how they ended.", ["kind", "end"])
ITEMS: Final = Counter("karyobridge_worker_items", "Items recorded.", ["kind", "outcome"])
RUN_SECONDS: Final = Histogram(
    "karyobridge_worker_run_seconds", "Length of an attempt.", ["kind"], buckets=SECONDS_BUCKETS
)
WAIT_SECONDS: Final = Histogram(
    "karyobridge_worker_queue_wait_seconds",
    "From a job's being due to its claim.",
    ["kind"],
    buckets=SECONDS_BUCKETS,
)


def observe(claim: Claim, recorded: Tally[str], end: str, seconds: float) -> None:
    """Count one attempt."""
    kind = claim.job.kind
    RUNS.labels(kind, end).inc()
    RUN_SECONDS.labels(kind).observe(seconds)
    WAIT_SECONDS.labels(kind).observe(max(claim.waited_s, 0.0))
    for outcome, number in recorded.items():
        ITEMS.labels(kind, outcome).inc(number)
