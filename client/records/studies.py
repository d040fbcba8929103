"""Studies: what one will do and cost, and those that have ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.records.base import Record


class PlannedStep(Record):
    """A piece of a study's work; `estimated_seconds` is None where nobody knows."""

    kind: str
    title: str
    condition: str
    cached: bool = False
    estimated_seconds: float | None = None


class StudyPlan(Record):
    """What a study will do and cost.

    Attributes
    ----------
    runs
        Networks that are compared.
    computed, from_cache
        Steps that have to be computed, and those that are there already.
    basis
        What the estimate stands on.
    conditions
        Crops, chromosomes and groups by condition and split.
    earlier_studies
        Those that looked at the same test split.
    unfinished_job
        One that is at work on this very study, or waits for it.
    """

    runs: int
    computed: int
    from_cache: int
    dataset: str | None = None
    size: str | None = None
    steps: tuple[PlannedStep, ...] = ()
    estimated_seconds: float | None = None
    basis: str = ""
    conditions: dict[str, dict[str, Any]] = Field(default_factory=dict)
    earlier_studies: tuple[str, ...] = ()
    unfinished_job: str | None = None
    warnings: tuple[str, ...] = ()


class Study(Record):
    """A study that has ended, with its result in one line."""

    name: str
    version: int
    dataset: str | None = None
    size: str | None = None
    proves_nothing: bool = False
    simulated: bool = False
    headline: dict[str, Any] = Field(default_factory=dict)
    job_id: str | None = None
    created_at: datetime | None = None
    links: dict[str, str] = Field(default_factory=dict)

    @property
    def ref(self) -> str:
        """``name/version``, as jobs record it."""
        return f"{self.name}/{self.version}"
