"""The yardstick of `benchmarks.load.gets`: a FastAPI route with our response model, and nothing else."""

from __future__ import annotations

from fastapi import FastAPI

from api.schemas.jobs import JOB_EXAMPLE, JobView

app = FastAPI()
_ANSWER = JobView.model_validate(JOB_EXAMPLE)


@app.get("/v1/jobs/{job_id}")
def get_job(job_id: str) -> JobView:  # noqa: ARG001 - it is taken, and looked up nowhere
    """Answer the same job for every id."""
    return _ANSWER
