"""Percentile intervals from resampled slides.

Crops of a slide share stain, focus and often the very rearrangement, so they are no independent
draws: whole groups are drawn with replacement. Below three groups that says nothing; then
chromosomes are drawn within each group, which tells how much luck there is in the crops and nothing
about another slide. The result says which of the two was done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.classification.metrics import NAN, Floats, Scored
from models.classification.ranking import RESAMPLED_METRICS, RankingTables

MIN_GROUPS = 3
QUANTILES = (0.025, 0.975)
_RESAMPLES_AT_ONCE = 100  # keeps the tables of a step within the processor's caches


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of a quantity over resamples.

    Attributes
    ----------
    low, high
        NaN where the quantity was defined in no resample.
    resamples
        In how many resamples it was defined: without an aberration there is no recall.
    """

    low: float = NAN
    high: float = NAN
    resamples: int = 0


@dataclass(frozen=True)
class Resampling:
    """What is drawn: whole groups, or chromosomes within each group where there are too few."""

    groups: int

    @property
    def few_groups(self) -> bool:
        """Whether chromosomes are drawn because groups are too few."""
        return self.groups < MIN_GROUPS

    @property
    def unit(self) -> str:
        """What is drawn, in words."""
        return "chromosome within group" if self.few_groups else "group"


def resampling_of(scored: Scored) -> Resampling:
    """Choose what to draw for these groups."""
    return Resampling(len(np.unique(scored.groups)))


def intervals(scored: Scored, threshold: float, seed: int, num_resamples: int) -> dict[str, Interval]:
    """95 % intervals of precision, recall, F1, average precision and area under the ROC curve.

    The same seed draws the same groups (or chromosomes) for crops and for their chromosomes.

    Parameters
    ----------
    threshold
        Least probability of a flagged one.
    num_resamples
        0 leaves every interval undefined.
    """
    values = resampled_metrics(scored, threshold, seed, num_resamples)
    return {name: interval_of(values[name]) for name in RESAMPLED_METRICS}


def resampled_metrics(
    scored: Scored, threshold: float, seed: int, num_resamples: int
) -> Mapping[str, Floats]:
    """Each metric in each resample, (num_resamples,) float64 with NaN where it is undefined."""
    columns: dict[str, list[Floats]] = {name: [] for name in RESAMPLED_METRICS}
    if num_resamples and len(scored.labels):
        draws = Draws.of(scored, resampling_of(scored))
        tables = RankingTables.of(scored, draws.clusters, threshold)
        rng = np.random.default_rng(seed)
        for start in range(0, num_resamples, _RESAMPLES_AT_ONCE):
            weights = draws.weights(rng, min(_RESAMPLES_AT_ONCE, num_resamples - start))
            for name, part in tables.metrics(weights).items():
                columns[name].append(part)
    return {name: np.concatenate([np.zeros(0), *parts]) for name, parts in columns.items()}


@dataclass(frozen=True)
class Draws:
    """How often each cluster is taken in each of many resamples.

    Two classifiers that scored the same crops are compared on the same draws.

    Attributes
    ----------
    clusters : (N,) int64
        The cluster of every crop: its group, or its chromosome.
    strata
        Clusters that are drawn among each other, as (K,) int64 each.
    unit
        What is drawn, in words.
    """

    clusters: NDArray[np.int64]
    strata: tuple[NDArray[np.int64], ...]
    unit: str

    @classmethod
    def of(cls, scored: Scored, resampling: Resampling) -> Draws:
        """Take groups for clusters, or chromosomes within each group where groups are too few."""
        if not resampling.few_groups:
            names, clusters = np.unique(scored.groups, return_inverse=True)
            return cls(clusters, (np.arange(len(names)),), resampling.unit)
        _, clusters = np.unique(scored.chromosomes, return_inverse=True)
        strata = [np.unique(clusters[scored.groups == group]) for group in np.unique(scored.groups)]
        return cls(clusters, tuple(strata), resampling.unit)

    def weights(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw with replacement within each stratum: (count, clusters) float64, counts of each."""
        drawn = np.zeros((count, sum(map(len, self.strata))))
        for members in self.strata:
            size = len(members)
            picks = rng.integers(size, size=(count, size)) + size * np.arange(count)[:, None]
            drawn[:, members] = np.bincount(picks.ravel(), minlength=count * size).reshape(count, size)
        return drawn


def interval_of(values: Floats) -> Interval:
    """The middle 95 % of what is defined among resampled values, (B,) float64."""
    defined = values[np.isfinite(values)]
    if len(defined) == 0:
        return Interval()
    low, high = np.quantile(defined, QUANTILES)
    return Interval(float(low), float(high), len(defined))
