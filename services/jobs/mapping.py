"""From rows to values."""

from __future__ import annotations

from typing import cast

from services.db.tables import JobItemRow, JobRow
from services.errors import Problem
from services.jobs.types import ItemStatus, Job, JobItem, JobStatus, Progress


def job_of(row: JobRow) -> Job:
    """Map a job's row."""
    return Job(
        id=row.id,
        kind=row.kind,
        status=cast("JobStatus", row.status),
        params=dict(row.params),
        inputs=dict(row.inputs),
        artifacts=dict(row.artifacts),
        sample=row.sample,
        external_id=row.external_id,
        request_id=row.request_id,
        traceparent=row.traceparent,
        queue=row.queue,
        priority=row.priority,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        not_before=row.not_before,
        progress=Progress(row.progress_done, row.progress_total, row.progress_unit, row.progress_message),
        error=cast("Problem | None", row.error),
        result=dict(row.result),
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def item_of(row: JobItemRow) -> JobItem:
    """Map an item's row."""
    return JobItem(
        job_id=row.job_id,
        position=row.position,
        input_id=row.input_id,
        status=cast("ItemStatus", row.status),
        error=cast("Problem | None", row.error),
        outputs=dict(row.outputs),
        started=row.started,
        finished_at=row.finished_at,
    )
