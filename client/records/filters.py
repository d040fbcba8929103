"""What filters say: scores of crops and embeddings, counts before and after, versions compared."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.records.base import Record


class Score(Record):
    """Where a filter sees a crop, and whether it keeps it.

    Attributes
    ----------
    component, mahalanobis2
        None where the filter's method has none.
    needed_level
        Least level at which it is kept.
    knn_distance, knn_percentile
        Distance to the nearest training embeddings, and where that lies among the training set's own.
    """

    x: float
    y: float
    needed_level: float
    kept: bool
    component: int | None = None
    mahalanobis2: float | None = None
    knn_distance: float | None = None
    knn_percentile: float | None = None


class FilterScore(Score):
    """What one job's filter said of a crop."""

    filter: str
    job_id: str | None = None
    at: datetime | None = None


class Scores(Record):
    """Scores of embeddings, in their order; `level` and `max_percentile` are what decided."""

    filter: str
    classifier: str
    level: float
    items: tuple[Score, ...]
    max_percentile: float | None = None


class FilterCount(Record):
    """Crops before and after filtering."""

    before: int
    after: int
    share: float | None = None


class Filtering(FilterCount):
    """How many of a job's crops its filter keeps.

    Attributes
    ----------
    decided
        Whether the crops are decided like this, and not only counted so.
    by_origin, by_class
        The same counts by where crops come from, and by what the data set or a person says they are.
    links
        ``map``, which opens at this level, where the job made one.
    """

    job_id: str
    filter: str
    level: float
    decided: bool
    max_percentile: float | None = None
    by_origin: dict[str, FilterCount] = Field(default_factory=dict)
    by_class: dict[str, FilterCount] = Field(default_factory=dict)
    links: dict[str, str] = Field(default_factory=dict)


class FilterDifference(Record):
    """What changed from one version to another."""

    first: str
    second: str
    difference: dict[str, Any] = Field(default_factory=dict)
