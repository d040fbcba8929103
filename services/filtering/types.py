"""Values of the room: a crop's filter scores, and how many of a job's crops are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class NewFilterScore:
    """Where a filter sees a crop, about to be recorded.

    Attributes
    ----------
    x, y
        On the filter's map.
    component
        Of the mixture, or None where the filter's rule has none.
    mahalanobis2
        Squared distance to the kept component's centre, or None where the rule has none.
    needed_level
        Least level in [0, 1] at which the crop is kept.
    knn_distance
        Mean Euclidean distance to the nearest training embeddings.
    knn_percentile
        Share of the training rows that lie closer to theirs, in percent.
    kept
        At the level and the gate of the job.
    """

    crop_id: str
    x: float
    y: float
    component: int | None
    mahalanobis2: float | None
    needed_level: float
    knn_distance: float
    knn_percentile: float
    kept: bool


@dataclass(frozen=True)
class FilterScore(NewFilterScore):
    """What one job's filter, an exact ``name/version``, said of a crop."""

    filter: str
    job_id: str
    at: datetime


@dataclass(frozen=True)
class KeptCount:
    """How many crops there were before filtering, and how many are left after it."""

    before: int
    after: int

    @property
    def share(self) -> float | None:
        """Of the crops that are kept, or None where there was none."""
        return self.after / self.before if self.before else None

    def to_json(self) -> dict[str, Any]:
        """Return the count as results show it."""
        return {"before": self.before, "after": self.after, "share": self.share}


@dataclass(frozen=True)
class FilterCounts(KeptCount):
    """A job's crops before and after filtering, as in table 4 of the paper, and by what they are.

    Attributes
    ----------
    by_origin
        ``segmented``, ``imported``, ``generated``: those that occur.
    by_class
        What the data set says of its crops, else a person's newest verdict, else ``unlabelled``.
    """

    by_origin: Mapping[str, KeptCount]
    by_class: Mapping[str, KeptCount]

    def to_json(self) -> dict[str, Any]:
        """Return the counts as results show them."""
        return {
            **super().to_json(),
            "by_origin": {name: count.to_json() for name, count in self.by_origin.items()},
            "by_class": {name: count.to_json() for name, count in self.by_class.items()},
        }


@dataclass(frozen=True)
class ExportRow:
    """One line of an export.

    Attributes
    ----------
    place
        The job's item and the crop's id, by which lines are sorted.
    cells
        By the names of the columns, in their order.
    """

    place: tuple[int, str]
    cells: Mapping[str, Any]
