"""A job's predictions as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from api.auth import needs
from api.dependencies import CurrentWiring
from api.openapi import problem

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

CSV = "text/csv; charset=utf-8"
_PARQUET = "application/vnd.apache.parquet"


def table(media_type: str) -> dict[int | str, dict[str, Any]]:
    """Describe the answers of a route that gives a table of a job."""
    return {
        200: {"content": {media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}}},
        409: problem("The job has not ended, or kept no embeddings."),
    }


@router.get(
    "/{job_id}/predictions.csv",
    dependencies=[needs("read")],
    response_class=StreamingResponse,
    responses=table(CSV),
)
def get_csv(job_id: str, wiring: CurrentWiring) -> StreamingResponse:
    """Give what a job said of every crop, for spreadsheets.

    A text that a spreadsheet would run as a formula (it starts with = + - or @) has an apostrophe before it.
    """
    return download(wiring.exports.csv(job_id), CSV, f"{job_id}_predictions.csv")


@router.get(
    "/{job_id}/predictions.parquet",
    dependencies=[needs("read")],
    response_class=StreamingResponse,
    responses=table(_PARQUET),
)
def get_parquet(
    *,
    job_id: str,
    wiring: CurrentWiring,
    embeddings: Annotated[
        bool, Query(description="Add a column of 512 32-bit floats per crop.", examples=[True])
    ] = False,
) -> StreamingResponse:
    """Give what a job said of every crop, for data frames."""
    pieces = wiring.exports.parquet(job_id, embeddings=embeddings)
    return download(pieces, _PARQUET, f"{job_id}_predictions.parquet")


def download(pieces: Iterator[bytes], media_type: str, filename: str) -> StreamingResponse:
    """Send a table as it is read."""
    # A person's later verdict changes the table, so nobody may keep it.
    headers = {
        "Content-Disposition": f'attachment; filename="{filename}"',
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(pieces, media_type=media_type, headers=headers)
