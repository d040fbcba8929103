"""Studies: what one would do and cost, and those that have ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Self

from pydantic import ConfigDict, Field

from api.schemas.common import View
from services.artifacts.types import ArtifactVersion
from services.jobs.params import StudyParams

_REPORT: Final = "/v1/artifacts/study/adir-study/1"
_HEADLINE: Final[dict[str, Any]] = {
    "arm": "augmented-bbdm-filtered",
    "reference": "augmented",
    "split": "test",
    "metric": "average_precision",
    "difference": 0.021,
    "interval": [-0.012, 0.055],
}
_COUNTS: Final[dict[str, Any]] = {
    "train": {
        "normal": 10849,
        "aberration": 1021,
        "normal_chromosomes": 4210,
        "aberration_chromosomes": 287,
        "groups": ["A06", "B11"],
    }
}


class StudyPlanRequest(StudyParams):
    """A study as ``POST /v1/jobs`` takes it, without its `kind`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "adir-study",
                "dataset": "adir/1",
                "size": "cpu",
                "leave_out": {"C15": ["C15a", "C15b"]},
                "aberration_counts": [50, 200],
            }
        }
    )


class PlannedStepView(View):
    """A piece of work whose result is kept, for any study that needs the same."""

    kind: str = Field(description="generator, candidates, embeddings, filter or run.")
    title: str
    condition: str
    cached: bool = Field(description="A study computed it before.")
    estimated_seconds: float | None = Field(description="0 if it is there already; null if nobody knows.")


class StudyPlanView(View):
    """What a study would do and cost."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "dataset": "adir/1",
                "size": "cpu",
                "runs": 63,
                "steps": [
                    {
                        "kind": "run",
                        "title": "Real augmented, seed 0",
                        "condition": "all",
                        "cached": False,
                        "estimated_seconds": 45.2,
                    }
                ],
                "computed": 80,
                "from_cache": 4,
                "estimated_seconds": 9200.0,
                "basis": "measured by study adir-study/1 on cpu",
                "conditions": {"all": _COUNTS},
                "earlier_studies": ["adir-study/1"],
                "warnings": ["The test split of this data was looked at before, by adir-study/1."],
                "unfinished_job": None,
            }
        }
    )

    dataset: str = Field(description="The data set version.")
    size: str
    runs: int = Field(description="Networks that are compared.")
    steps: list[PlannedStepView] = Field(description="Each after those that it needs.")
    computed: int = Field(description="Steps that have to be computed.")
    from_cache: int = Field(description="Steps that are there already.")
    estimated_seconds: float | None = Field(
        description="Of what has to be computed; null where the pace of one kind of it is not known."
    )
    basis: str = Field(description="What the estimate stands on.")
    conditions: dict[str, dict[str, Any]] = Field(description="Crops, chromosomes and groups by split.")
    earlier_studies: list[str] = Field(description="Those that looked at the same test split.")
    warnings: list[str] = Field(description="What a reader of the report will have to know.")
    unfinished_job: str | None = Field(description="One that is at work on this very study, or waits for it.")


class StudyView(View):
    """A study that has ended."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "adir-study",
                "version": 1,
                "dataset": "adir/1",
                "size": "cpu",
                "proves_nothing": False,
                "simulated": False,
                "headline": _HEADLINE,
                "job_id": "job_01k9zt3v5e8w2hq4x7c1n6m0bj",
                "created_at": "2026-11-02T16:40:00Z",
                "links": {"report": f"{_REPORT}/report.html", "pdf": f"{_REPORT}/report.pdf"},
            }
        }
    )

    name: str
    version: int
    dataset: str | None
    size: str | None
    proves_nothing: bool = Field(description="Its size only shows what a report looks like.")
    simulated: bool = Field(description="Its data are: nothing follows for real chromosomes.")
    headline: dict[str, Any] = Field(description="The result in one line, as its job told it.")
    job_id: str | None
    created_at: datetime
    links: dict[str, str] = Field(description="`report`, `pdf` and `results`.")

    @classmethod
    def of(cls, version: ArtifactVersion) -> Self:
        """Show a version by its manifest."""
        study = version.manifest.get("study") or {}
        place = f"/v1/artifacts/study/{version.ref}"
        files = {"report": "report.html", "pdf": "report.pdf", "results": "results.json"}
        return cls(
            name=version.name,
            version=version.version,
            dataset=(study.get("dataset") or {}).get("ref"),
            size=study.get("size"),
            proves_nothing=bool(study.get("proves_nothing")),
            simulated=bool(study.get("simulated")),
            headline=version.manifest.get("headline") or {},
            job_id=version.job_id,
            created_at=version.created_at,
            links={key: f"{place}/{name}" for key, name in files.items() if name in version.files},
        )
