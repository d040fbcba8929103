"""Jobs, their items and progress events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from api.schemas.common import View
from api.schemas.problem import StoredProblem
from services.jobs.kinds import priority_name
from services.jobs.types import ItemStatus, Job, JobStatus, PriorityName

JOB_EXAMPLE: dict[str, Any] = {
    "id": "job_01k9zt3v5e8w2hq4x7c1n6m0bd",
    "kind": "segmentation",
    "status": "queued",
    "params": {"diameter_px": None, "flow_threshold": 0.4, "cellprob_threshold": 0.0, "min_area_px": 60},
    "inputs": {"sample": "S26-001234"},
    "artifacts": {"segmenter": "chromosome/1"},
    "priority": "normal",
    "progress": {"done": 0, "total": 12, "unit": "images", "message": ""},
    "queue_position": 1,
    "attempt": 0,
    "error": None,
    "result": {},
    "sample": "S26-001234",
    "external_id": "LIMS-77",
    "created_at": "2026-11-02T08:15:30Z",
    "started_at": None,
    "finished_at": None,
}


class ProgressView(View):
    """How far a job is."""

    done: int
    total: int = Field(description="0 while it is not known.")
    unit: str = Field(description="What is counted.")
    message: str


class JobView(View):
    """A job."""

    model_config = ConfigDict(json_schema_extra={"example": JOB_EXAMPLE})

    id: str
    kind: str
    status: JobStatus
    params: dict[str, Any]
    inputs: dict[str, Any]
    artifacts: dict[str, str] = Field(description="Role to exact `name/version`, fixed at submission.")
    priority: PriorityName = Field(description="As it was asked for.")
    progress: ProgressView
    queue_position: int | None = Field(
        default=None,
        description="1 is next. Null unless queued, and null in lists, where it would be costly.",
    )
    attempt: int = Field(
        description="How often a worker has begun it; also after it made room for another job."
    )
    error: StoredProblem | None
    result: dict[str, Any] = Field(description="Links and counts.")
    sample: str | None
    external_id: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, job: Job, queue_position: int | None = None) -> JobView:
        """Show a job, with its place in the queue where that is known."""
        told = {"priority": priority_name(job.kind, job.priority), "queue_position": queue_position}
        return cls.model_validate({**vars(job), **told}, from_attributes=True)


class JobItemView(View):
    """One input of a job and what became of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "position": 0,
                "input_id": "img_01k9zt3v5e8w2hq4x7c1n6m0bb",
                "status": "succeeded",
                "error": None,
                "outputs": {"chromosomes": 46, "touching": 3, "seconds": 1.7},
                "finished_at": "2026-11-02T08:16:00Z",
            }
        }
    )

    position: int
    input_id: str
    status: ItemStatus
    error: StoredProblem | None
    outputs: dict[str, Any]
    finished_at: datetime | None
