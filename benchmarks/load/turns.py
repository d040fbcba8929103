"""A long training on the only worker and a small scoring job: when it ends, with turns and without."""

from __future__ import annotations

import time
from typing import Any, Final

from benchmarks.load.installation import Installation, installed, wait_until
from services.jobs.types import TERMINAL_STATUSES, Job

POLL_S: Final = 0.2
WITHIN_S: Final = 1200.0
NEVER_S: Final = 1_000_000.0


def measure(training_s: float) -> dict[str, Any]:
    """Run the same two jobs on one worker twice: with the turns' defaults, and with turns that never end."""
    return {
        "training_s": training_s,
        "without_turns": _run(training_s, {"min_turn_s": NEVER_S, "time_slice_s": NEVER_S}),
        "with_turns": _run(training_s, {}),
    }


def _run(training_s: float, changes: dict[str, float]) -> dict[str, Any]:
    with installed(**changes) as installation:
        jobs = installation.jobs
        # What a training does to the queue, without its arithmetic: a background job of short items.
        long = jobs.submit(
            "diagnostic", {"items": int(training_s), "seconds_per_item": 1.0}, priority="background"
        )
        installation.worker()
        wait_until(lambda: jobs.get(long.id).progress.done > 0, WITHIN_S, "the training runs")
        start = time.perf_counter()
        small = jobs.submit("diagnostic", {"items": 4, "seconds_per_item": 1.0})
        small_s = _ended(installation, small, start)
        long_s = _ended(installation, long, start)
        turns = jobs.get(long.id).attempt
        return {"small_job_s": round(small_s, 1), "training_s": round(long_s, 1), "turns_of_training": turns}


def _ended(installation: Installation, job: Job, start: float) -> float:
    wait_until(
        lambda: installation.jobs.get(job.id).status in TERMINAL_STATUSES, WITHIN_S, f"job {job.id} has ended"
    )
    return time.perf_counter() - start
