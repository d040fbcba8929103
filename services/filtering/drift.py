"""Drift: how many of a job's crops lie farther from a filter's training data than almost all of that does.

Of crops like the training data one in a hundred lies beyond the 99th percentile of the training set's
own distances. Many more mean another slide preparation, another microscope or another stain, and then
neither the classifier nor the filter was ever tried on what it now judges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Integer, func, select
from sqlalchemy.orm import Session

from services.db.tables import JobItemRow

OUTPUT: Final = "beyond_p99"
"""Name of the count in an item's outputs."""

PERCENTILE: Final = 99.0
EXPECTED_SHARE: Final = 0.01
WARN_CROPS: Final = 5
WARN_SHARE: Final = 2 * EXPECTED_SHARE
_Z_99: Final = 2.3263478740408408  # one-sided 99 % of a normal distribution


@dataclass(frozen=True)
class Drift:
    """How many of a job's crops lie beyond the 99th percentile of a filter's own distances.

    Attributes
    ----------
    filter
        An exact ``name/version``.
    """

    filter: str
    crops: int
    beyond: int

    @property
    def share(self) -> float | None:
        """Of the crops that lie beyond, or None where there was no crop."""
        return self.beyond / self.crops if self.crops else None

    @property
    def warning(self) -> str | None:
        """What to do, where the share is clearly larger than it should be.

        That is: at least `WARN_CROPS` crops, and a share whose one-sided 99 % lower bound (Wilson) is above
        `WARN_SHARE`, twice what is expected. A few odd crops of a small sample are no reason to worry.
        """
        if self.beyond < WARN_CROPS or _least_share(self.beyond, self.crops) <= WARN_SHARE:
            return None
        return (
            f"{self.beyond:,} of {self.crops:,} crops ({self.beyond / self.crops:.1%}) lie farther from the "
            f"training data of filter {self.filter} than 99 % of that itself; 1 % is usual. Look at them "
            "before you trust the scores: if slides, stain or microscope differ from the training data, "
            "annotate some of these crops, train a classifier with them, and fit a filter on it."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the entry of a job's result."""
        return {
            "filter": self.filter,
            "crops": self.crops,
            "beyond_p99": self.share,
            "expected": EXPECTED_SHARE,
            "warning": self.warning,
        }


def no_drift(reason: str) -> dict[str, Any]:
    """Return the entry of a result that has no figure."""
    return {"filter": None, "reason": reason}


def count_beyond(knn_percentile: NDArray[np.float64]) -> int:
    """Count the crops, of (N,) percentiles, that lie beyond the 99th."""
    return int(np.count_nonzero(knn_percentile > PERCENTILE))


def drift_of(session: Session, job_id: str, filter_ref: str) -> Drift:
    """Add up what the items of a job recorded, in this attempt or in earlier ones."""
    outputs = JobItemRow.outputs
    crops = func.coalesce(outputs["crops"].astext, outputs["chromosomes"].astext).cast(Integer)
    query = select(func.sum(crops), func.sum(outputs[OUTPUT].astext.cast(Integer))).where(
        JobItemRow.job_id == job_id, JobItemRow.status == "succeeded", outputs.has_key(OUTPUT)
    )
    number, beyond = session.execute(query).one()
    return Drift(filter_ref, number or 0, beyond or 0)


def _least_share(number: int, total: int) -> float:
    """One-sided 99 % lower bound of a share, by Wilson."""
    share, square = number / total, _Z_99 * _Z_99
    middle = share + square / (2 * total)
    spread = _Z_99 * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    return (middle - spread) / (1 + square / total)
