"""A job without science: shows that queue, worker, database and store work together.

Operators run it to see whether a job gets through; drills make it fail, linger or kill its worker.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any, Final

from services.errors import KaryobridgeError
from services.jobs.context import JobContext
from services.jobs.params import DiagnosticParams
from services.pipelines.resources import Resources

SLICE_S: Final = 0.05  # how soon a lingering item notices that it should stop


class DiagnosticFailureError(KaryobridgeError):
    """The failure that was ordered."""

    code = "diagnostic_failure"
    title = "The diagnostic was told to fail here"

    def __init__(self, position: int) -> None:
        super().__init__(f"Item {position} is among those that the job's parameters let fail.")


def run(context: JobContext, resources: Resources) -> dict[str, Any]:
    """Work through the pretended inputs as the parameters say.

    Raises
    ------
    StoreUnavailableError
        The object store is away.
    """
    params = DiagnosticParams.model_validate(context.job.params)
    resources.store.check()
    for item in context.pending():
        context.check()
        context.begin(item)
        if item.position in params.crash_items:
            os.kill(os.getpid(), signal.SIGKILL)
        _linger(context, params.seconds_per_item)
        fails = item.position in params.fail_items
        if fails or (item.position in params.flaky_items and context.job.attempt == 1):
            context.fail(item, DiagnosticFailureError(item.position))
        else:
            context.record(item, {"attempt": context.job.attempt})
    return {"items": params.items, "attempts": context.job.attempt}


def _linger(context: JobContext, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        context.check()
        time.sleep(min(left, SLICE_S))
