"""What a worker process measures of its own runs; the fleet's counts come from the database.

The parent process serves them on WORKER_METRICS_PORT; its children write them to shared files,
which is prometheus_client's way for several processes.
"""

from __future__ import annotations

import sys
from collections import Counter as Tally
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from services.jobs.types import Claim

SECONDS_BUCKETS: Final = (0.01, 0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)

RUNS: Final = Counter("karyobridge_worker_runs", "Attempts at jobs, by how they ended.", ["kind", "end"])
HAND_BACKS: Final = Counter(
    "karyobridge_worker_hand_backs",
    "Jobs given back to their queue: the worker stops, or another job's turn has come.",
    ["kind", "reason"],
)
ITEMS: Final = Counter("karyobridge_worker_items", "Items recorded.", ["kind", "outcome"])
BUSY: Final = Gauge(
    "karyobridge_worker_busy", "Processes that are running a job.", multiprocess_mode="livesum"
)
RUN_SECONDS: Final = Histogram(
    "karyobridge_worker_run_seconds", "Length of an attempt.", ["kind"], buckets=SECONDS_BUCKETS
)
WAIT_SECONDS: Final = Histogram(
    "karyobridge_worker_queue_wait_seconds",
    "From a job's being due to its claim.",
    ["kind"],
    buckets=SECONDS_BUCKETS,
)
GPU_MEMORY: Final = Gauge(
    "karyobridge_worker_gpu_memory_bytes",
    "Memory of the GPU that torch holds after a job (reserved), and the most that tensors took (peak).",
    ["state"],
    multiprocess_mode="livesum",
)


def observe(claim: Claim, recorded: Tally[str], end: str, seconds: float) -> None:
    """Count one attempt."""
    kind = claim.job.kind
    RUNS.labels(kind, end).inc()
    RUN_SECONDS.labels(kind).observe(seconds)
    WAIT_SECONDS.labels(kind).observe(max(claim.waited_s, 0.0))
    for outcome, number in recorded.items():
        ITEMS.labels(kind, outcome).inc(number)
    _observe_gpu()


def _observe_gpu() -> None:
    """Read what torch knows without a question to the GPU; nothing where no pipeline has needed torch."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return
    GPU_MEMORY.labels("reserved").set(torch.cuda.memory_reserved())
    GPU_MEMORY.labels("peak").set(torch.cuda.max_memory_allocated())
