"""Filters: rows scored at once, a crop's scores, how many crops a job keeps, two versions compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, FailFast, Field

from api.schemas.common import Body, View
from services.filtering.decisions import Decision
from services.filtering.service import MAX_ROWS, Scored
from services.filtering.types import KeptCount
from services.filtering.verdicts import Verdicts
from services.jobs.params import ARTIFACT_REF

Level = Annotated[float, Field(ge=0, le=1)]
Percentile = Annotated[float, Field(ge=0, le=100)]
# The first fault is told alone: half a million numbers could be half a million faults.
_Row = Annotated[list[Annotated[float, Field(strict=True)]], FailFast()]

_SCORE: Final[dict[str, Any]] = {
    "x": 4.21,
    "y": -1.37,
    "component": 0,
    "mahalanobis2": 1.02,
    "needed_level": 0.3995,
    "knn_distance": 3.18,
    "knn_percentile": 41.5,
    "kept": True,
}
FILTER_SCORE_EXAMPLE: Final[dict[str, Any]] = {
    "filter": "translocation/1",
    **_SCORE,
    "job_id": "job_01k9zt3v5e8w2hq4x7c1n6m0bh",
    "at": "2026-11-02T10:05:00Z",
}
_COUNT: Final[dict[str, Any]] = {"before": 1000, "after": 640, "share": 0.64}


class ScoreRequest(Body):
    """Embeddings to score, and by what to decide."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"embeddings": [[0.125, 0.0, 1.75]], "level": 0.7, "classifier": "translocation/1"}
        }
    )

    embeddings: Annotated[list[_Row], FailFast()] = Field(
        min_length=1,
        max_length=MAX_ROWS,
        description="Rows of 512 numbers, as GET /v1/crops/{id}/embedding gives them (the example shows the "
        "first three).",
    )
    level: Level | None = Field(
        None, description="Share of the aberrations that is let in; empty: the filter's own."
    )
    max_percentile: Percentile | None = Field(
        None,
        description="Largest percentile of the distance to the training data; 100: no limit. Empty: the "
        "filter's own.",
    )
    classifier: str | None = Field(
        None,
        pattern=ARTIFACT_REF,
        description="Whose embeddings these are; another one than the filter's is refused.",
    )


class ScoreView(View):
    """Where a filter sees a row, and whether it keeps it."""

    x: float = Field(description="On the filter's map.")
    y: float
    component: int | None = Field(description="Of the mixture; null where the filter's method has none.")
    mahalanobis2: float | None = Field(
        description="Squared distance to the kept component's centre; null where the method has none."
    )
    needed_level: float = Field(description="Least level at which it is kept.")
    knn_distance: float = Field(description="Mean Euclidean distance to the nearest training embeddings.")
    knn_percentile: float = Field(
        description="How many in a hundred training embeddings lie nearer to the others than this one does."
    )
    kept: bool


class FilterScoreView(ScoreView):
    """What one job's filter said of a crop."""

    model_config = ConfigDict(json_schema_extra={"example": FILTER_SCORE_EXAMPLE})

    filter: str = Field(description="The exact `name/version`.")
    job_id: str
    at: datetime


class ScoresView(View):
    """Scores of rows, in their order."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "filter": "translocation/1",
                "classifier": "translocation/1",
                "level": 0.7,
                "max_percentile": None,
                "items": [_SCORE],
            }
        }
    )

    filter: str = Field(description="The exact `name/version`.")
    classifier: str = Field(description="The version that the filter was fitted on.")
    level: float = Field(description="What `kept` was decided by.")
    max_percentile: float | None = Field(description="What `kept` was decided by too; null is no limit.")
    items: list[ScoreView]

    @classmethod
    def of(cls, scored: Scored) -> Self:
        """Show scores; what a method does not tell is null."""
        scores = scored.scores
        columns: Sequence[Sequence[Any]] = [
            *(scores.coordinates.T.tolist()),
            [number if number >= 0 else None for number in scores.component.tolist()],
            [value if value == value else None for value in scores.mahalanobis2.tolist()],  # noqa: PLR0124 - NaN
            scores.needed_level.tolist(),
            scores.knn_distance.tolist(),
            scores.knn_percentile.tolist(),
            scored.kept.tolist(),
        ]
        names = list(ScoreView.model_fields)
        items = [ScoreView(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]
        return cls(
            filter=scored.filter,
            classifier=scored.classifier,
            level=scored.decision.level,
            max_percentile=scored.decision.max_percentile,
            items=items,
        )


class CountView(View):
    """Crops before and after filtering."""

    before: int
    after: int = Field(description="Those that are kept.")
    share: float | None = Field(description="After over before; null where there was no crop.")


class FilteringView(CountView):
    """How many of a job's crops its filter keeps."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "job_id": "job_01k9zt3v5e8w2hq4x7c1n6m0bh",
                "filter": "translocation/1",
                "level": 0.7,
                "max_percentile": None,
                "decided": True,
                **_COUNT,
                "by_origin": {"generated": _COUNT},
                "by_class": {"unlabelled": _COUNT},
                "links": {
                    "map": "/v1/jobs/job_01k9zt3v5e8w2hq4x7c1n6m0bh/map.html#level=0.7&max_percentile=off"
                },
            }
        }
    )

    job_id: str
    filter: str = Field(description="The exact `name/version`.")
    level: float
    max_percentile: float | None = Field(description="Null is no limit.")
    decided: bool = Field(description="Whether the job's crops are decided like this now.")
    by_origin: dict[str, CountView] = Field(description="Segmented, imported, generated: those that occur.")
    by_class: dict[str, CountView] = Field(
        description="By the data set's class or a person's newest verdict; else `unlabelled`."
    )
    links: dict[str, str] = Field(
        description="`map`, where the job made one: with its sliders where they stand here."
    )

    @classmethod
    def of(cls, found: Verdicts) -> Self:
        """Show the counts of a job."""
        counts = found.counts
        return cls(
            job_id=found.job_id,
            filter=found.filter,
            level=found.decision.level,
            max_percentile=found.decision.max_percentile,
            decided=found.decided,
            by_origin={name: _count(one) for name, one in counts.by_origin.items()},
            by_class={name: _count(one) for name, one in counts.by_class.items()},
            links={"map": _map_at(found.job_id, found.decision)} if found.has_map else {},
            **counts_of(counts),
        )


class RedecideRequest(Body):
    """How a job's crops shall be decided."""

    model_config = ConfigDict(json_schema_extra={"example": {"level": 0.8}})

    level: Level = Field(description="Share of the aberrations that is let in; higher keeps more.")
    max_percentile: Percentile | None = Field(
        None,
        description="Largest percentile of the distance to the training data; 100: no limit. Empty: as is.",
    )


class DifferenceView(View):
    """What changed from one version of a filter to another."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "first": "translocation/1",
                "second": "translocation/2",
                "difference": {
                    "parameters": {"level": [0.7, 0.8]},
                    "level": {"first": 0.7, "second": 0.8, "shift": 0.1},
                    "same_map": False,
                    "verdicts": {
                        "rows": 1000,
                        "kept": [0.61, 0.66],
                        "newly_kept": 0.07,
                        "newly_rejected": 0.02,
                    },
                },
            }
        }
    )

    first: str
    second: str
    difference: dict[str, Any] = Field(description="Parameters, the ellipse, and verdicts that flip.")


def counts_of(count: KeptCount) -> dict[str, Any]:
    """The three numbers of a count, by their names in answers."""
    return {"before": count.before, "after": count.after, "share": count.share}


def _map_at(job_id: str, decision: Decision) -> str:
    """Link a job's map so that it opens at a decision, whichever one it was drawn with."""
    gate = "off" if decision.max_percentile is None else decision.max_percentile
    return f"/v1/jobs/{job_id}/map.html#level={decision.level}&max_percentile={gate}"


def _count(count: KeptCount) -> CountView:
    return CountView(**counts_of(count))
