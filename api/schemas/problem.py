"""RFC 9457 problem details: the one shape of every error."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FieldProblem(BaseModel):
    """One field that was refused."""

    field: str = Field(description="Dotted path of the field, for example `body.diameter_px`.")
    message: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """An error, as `application/problem+json`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:karyobridge:problem:not_found",
                "title": "Not found",
                "status": 404,
                "detail": "There is no job 'job_01k9zt3v5e8w2hq4x7c1n6m0ba'.",
                "instance": "/v1/jobs/job_01k9zt3v5e8w2hq4x7c1n6m0ba",
                "code": "not_found",
                "errors": [],
                "request_id": "req_01k9zt3v5e8w2hq4x7c1n6m0bb",
            }
        }
    )

    type: str = Field(description="A URN that ends in the code.")
    title: str = Field(description="The kind of problem, the same for every occurrence.")
    status: int = Field(description="The HTTP status, repeated.")
    detail: str = Field(description="What happened here and what to do.")
    instance: str = Field(description="The path that was asked for.")
    code: str = Field(description="Stable name of the problem; program against this.")
    errors: list[FieldProblem] = Field(default=[], description="The fields that were refused.")
    request_id: str | None = Field(default=None, description="Give this to the operator; it is in the logs.")


class StoredProblem(BaseModel):
    """Why a job, an item of a job, or a file of a batch failed."""

    code: str = Field(description="Stable name of the problem.")
    title: str = Field(default="", description="The kind of problem.")
    detail: str = Field(description="What happened and what to do.")
