"""What the sweeper counts of its own doings, served on SWEEPER_METRICS_PORT."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

from services.jobs.sweep import SweepReport

SENT: Final = Counter("karyobridge_sweep_sent", "Ids of queued jobs that were sent again.")
TAKEN_BACK: Final = Counter(
    "karyobridge_sweep_leases_taken_back",
    "Jobs taken from workers that went silent, by the status they got.",
    ["status"],
)
CRASHED_ITEMS: Final = Counter(
    "karyobridge_sweep_crashed_items", "Items given up because worker after worker died in them."
)
LAST: Final = Gauge("karyobridge_sweep_last_timestamp_seconds", "When a sweep last came to its end.")

for _status in ("queued", "failed", "cancelled"):
    TAKEN_BACK.labels(_status)  # shown from the start, so that the first one is an increase


def observe(report: SweepReport) -> None:
    """Count one sweep."""
    SENT.inc(report.sent)
    CRASHED_ITEMS.inc(report.crashed_items)
    for status, number in (
        ("queued", report.requeued),
        ("failed", report.failed),
        ("cancelled", report.cancelled),
    ):
        TAKEN_BACK.labels(status).inc(number)
    LAST.set_to_current_time()
