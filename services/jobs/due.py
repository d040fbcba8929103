"""Which jobs wait and since when, by the database's clock: the only one that all processes share."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, func

from services.db.tables import JobRow

CLAIMABLE: ColumnElement[bool] = (JobRow.status == "queued") & (
    JobRow.not_before.is_(None) | (JobRow.not_before <= func.now())
)
WAITING_SINCE: ColumnElement[Any] = func.coalesce(JobRow.not_before, JobRow.created_at)


def from_now(seconds: float) -> ColumnElement[Any]:
    """Return the time in so many seconds, or before so many if they are negative."""
    return func.now() + timedelta(seconds=seconds)


def backoff_delay_s(attempt: int, max_attempts: int, budget: int, backoff_s: float) -> float:
    """Return the pause before the next attempt, doubled with each one in a row that brought nothing."""
    fruitless = max(budget - (max_attempts - attempt), 1)
    return float(backoff_s * 2 ** (fruitless - 1))
