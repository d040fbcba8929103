"""What a filter says of crops, and how a level turns it into verdicts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_COMPONENT = -1


@dataclass(frozen=True)
class Judgement:
    """What a rule says of M rows.

    Attributes
    ----------
    component : (M,) int32
        The mixture's component that the row most probably comes from; -1 where the rule has none.
    mahalanobis2 : (M,) float64
        Squared Mahalanobis distance; NaN where the rule has none.
    needed_level : (M,) float64
        Least level, in [0, 1], at which the row is kept.
    """

    component: NDArray[np.int32]
    mahalanobis2: NDArray[np.float64]
    needed_level: NDArray[np.float64]

    @classmethod
    def by_level(cls, needed_level: NDArray[np.float64]) -> Judgement:
        """Return what a rule says that knows neither components nor Mahalanobis distances."""
        component = np.full(len(needed_level), NO_COMPONENT, np.int32)
        return cls(component, np.full(len(needed_level), np.nan), needed_level)


@dataclass(frozen=True)
class FilterScores:
    """What a filter says of M rows.

    Attributes
    ----------
    coordinates : (M, 2) float32
        On the map.
    component, mahalanobis2, needed_level
        As in `Judgement`.
    knn_distance : (M,) float64
        Mean Euclidean distance to the k nearest training embeddings.
    knn_percentile : (M,) float64
        Percentage of training rows that lie nearer to the others than this row does, in [0, 100].
    """

    coordinates: NDArray[np.float32]
    component: NDArray[np.int32]
    mahalanobis2: NDArray[np.float64]
    needed_level: NDArray[np.float64]
    knn_distance: NDArray[np.float64]
    knn_percentile: NDArray[np.float64]

    def __len__(self) -> int:
        """Return M."""
        return len(self.needed_level)

    def kept(self, level: float, max_percentile: float | None = None) -> NDArray[np.bool_]:
        """Decide; nothing is computed again.

        Parameters
        ----------
        level
            In [0, 1]: the more, the more is kept.
        max_percentile
            The second gate, in [0, 100]: rows beyond it are rejected too. None: no second gate.

        Returns
        -------
        (M,) bool
        """
        inside = self.needed_level <= level
        return inside if max_percentile is None else inside & (self.knn_percentile <= max_percentile)
