"""Drills: a walk through queue, worker, database and store."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from services.jobs.params.base import JobParams, Request

MAX_DIAGNOSTIC_ITEMS = 10_000
ItemPosition = Annotated[int, Field(ge=0)]


class DiagnosticParams(JobParams):
    """A walk through queue, worker, database and store, for operators, drills and benchmarks."""

    items: int = Field(1, ge=1, le=MAX_DIAGNOSTIC_ITEMS, description="Number of inputs to pretend.")
    seconds_per_item: float = Field(0.0, ge=0, le=3600, description="Time to spend on each, in seconds.")
    fail_items: tuple[ItemPosition, ...] = Field(
        (), max_length=MAX_DIAGNOSTIC_ITEMS, description="Positions that fail with `diagnostic_failure`."
    )
    flaky_items: tuple[ItemPosition, ...] = Field(
        (), max_length=MAX_DIAGNOSTIC_ITEMS, description="As `fail_items`, but only in the first attempt."
    )
    crash_items: tuple[ItemPosition, ...] = Field(
        (),
        max_length=MAX_DIAGNOSTIC_ITEMS,
        description="For drills: positions that kill the worker process which begins them.",
    )


class DiagnosticRequest(Request, DiagnosticParams):
    """See whether a job gets through."""

    kind: Literal["diagnostic"]
