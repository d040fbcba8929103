"""Paired differences of two arms: what is luck of the seeds, of the slides, and of both.

Two networks of the same seed are a pair, and both are judged on the same resampled slides, so that what
makes a slide hard for both drops out of their difference.

Whole slides are drawn only where at least three of them hold aberrations. With fewer, resamples without
any aberration, in which nothing is defined, would be frequent; then chromosomes are drawn within each
slide. That tells how much luck there is in the crops and nothing about another slide, and the result
says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from models.classification.bootstrap import QUANTILES, Draws, Resampling, interval_of
from models.classification.metrics import Floats, Labels
from models.classification.ranking import RankingTables
from models.study.statistics import METRICS, UNITS, Scores, Unit

Bounds = tuple[float, float]

NUM_RESAMPLES: Final = 1000
_AT_ONCE: Final = 100  # keeps the tables of a step within the processor's caches
_SEEDS_STREAM: Final = 0x5EED


@dataclass(frozen=True)
class Difference:
    """How much better an arm is than its reference, by one metric.

    Attributes
    ----------
    difference
        Mean over the pairs; NaN without one.
    seeds, better_seeds
        Pairs in which the metric is defined, and those in which the arm is better.
    over_seeds
        95 % t-interval of the mean over pairs; None below two.
    over_slides
        Middle 95 % over resampled slides, seeds averaged in each.
    both
        The same, with pairs of seeds drawn too; None below two.
    """

    difference: float
    seeds: int
    better_seeds: int
    over_seeds: Bounds | None
    over_slides: Bounds | None
    both: Bounds | None

    def to_json(self) -> dict[str, Any]:
        """Return plain values, intervals as lists."""
        intervals = {"over_seeds": self.over_seeds, "over_slides": self.over_slides, "both": self.both}
        return {
            "difference": self.difference if np.isfinite(self.difference) else None,
            "seeds": self.seeds,
            "better_seeds": self.better_seeds,
        } | {name: None if one is None else list(one) for name, one in intervals.items()}


@dataclass(frozen=True)
class Resamples:
    """Resamples of a split that all networks share which were judged on it.

    Attributes
    ----------
    resampled
        What was drawn, in words: ``group``, or ``chromosome within group``.
    labels, groups, chromosomes : (N,) int64
        Of the crops, to tell another split from this one.
    clusters : unit to (N,) int64
        Of every crop and of every chromosome.
    weights : (1 + B, clusters) float64
        How often each cluster is taken; the first row takes each of them once.
    """

    resampled: str
    labels: Labels
    groups: NDArray[np.int64]
    chromosomes: NDArray[np.int64]
    clusters: Mapping[Unit, NDArray[np.int64]]
    weights: Floats

    @classmethod
    def of(cls, scores: Scores, num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> Resamples:
        """Draw; what was scored how has no influence.

        Raises
        ------
        ValueError
            If `num_resamples` is negative, or as `Scores.levels`.
        """
        if num_resamples < 0:
            raise ValueError(f"{num_resamples} resamples, expected 0 or more.")
        crops = scores.levels["crops"]
        plan = Resampling(len(np.unique(crops.groups[crops.labels == 1])))
        draws = {unit: Draws.of(scored, plan) for unit, scored in scores.levels.items()}
        drawn = draws["crops"].weights(np.random.default_rng(seed), num_resamples)
        return cls(
            plan.unit,
            crops.labels,
            crops.groups,
            crops.chromosomes,
            {unit: one.clusters for unit, one in draws.items()},
            np.concatenate([np.ones((1, drawn.shape[1])), drawn]),
        )

    def values(self, scores: Scores) -> dict[Unit, dict[str, Floats]]:
        """Metrics by unit and name, (1 + B,) float64 each: of the split as it is, then of the resamples.

        The ratio is the natural one. NaN where a metric is undefined.

        Raises
        ------
        ValueError
            If these are scores of other crops, or of the same ones in another order.
        """
        crops = scores.levels["crops"]
        mine = (self.labels, self.groups, self.chromosomes)
        theirs = (crops.labels, crops.groups, crops.chromosomes)
        if not all(map(np.array_equal, mine, theirs)):
            raise ValueError("Networks that are compared have to score the same crops in the same order.")
        return {unit: self._values(scores, unit) for unit in UNITS}

    def _values(self, scores: Scores, unit: Unit) -> dict[str, Floats]:
        scored = scores.levels[unit]
        if not len(scored.labels):
            return {name: np.full(len(self.weights), np.nan) for name in METRICS}
        tables = RankingTables.of(scored, self.clusters[unit], scores.thresholds.threshold)
        starts = range(0, len(self.weights), _AT_ONCE)
        parts = [tables.metrics(self.weights[start : start + _AT_ONCE]) for start in starts]
        return {name: np.concatenate([part[name] for part in parts]) for name in METRICS}


def difference_of(arm: Mapping[int, Floats], reference: Mapping[int, Floats]) -> Difference:
    """Compare two arms by one metric.

    Parameters
    ----------
    arm, reference : seed to (1 + B,) float64
        As `Resamples.values` gives them; seeds that only one arm has are left out.
    """
    pairs = {seed: arm[seed] - reference[seed] for seed in sorted(arm.keys() & reference.keys())}
    defined = [gains for gains in pairs.values() if np.isfinite(gains[0])]
    if not defined:
        return Difference(float("nan"), 0, 0, None, None, None)
    gains = np.stack(defined)
    observed, resampled = gains[:, 0], gains[:, 1:]
    return Difference(
        float(observed.mean()),
        len(observed),
        int(np.count_nonzero(observed > 0)),
        t_interval(observed),
        _bounds(resampled.mean(axis=0)),
        _bounds(_with_drawn_seeds(resampled)) if len(observed) > 1 else None,
    )


def t_interval(values: Floats) -> Bounds | None:
    """95 % interval of the mean of (S,) independent values, by Student's t; None below two."""
    if len(values) <= 1:
        return None
    error = float(np.std(values, ddof=1)) / np.sqrt(len(values))
    half = float(stats.t.ppf(QUANTILES[1], len(values) - 1)) * error
    mean = float(np.mean(values))
    return mean - half, mean + half


def _with_drawn_seeds(resampled: Floats) -> Floats:
    """Draw as many pairs with replacement in each resample: (S, B) to (B,).

    The same pairs are drawn for every comparison of as many seeds.
    """
    seeds = len(resampled)
    picks = np.random.default_rng([_SEEDS_STREAM, seeds]).integers(seeds, size=resampled.shape)
    means: Floats = np.take_along_axis(resampled, picks, axis=0).mean(axis=0)
    return means


def _bounds(values: Floats) -> Bounds | None:
    found = interval_of(values)
    return (found.low, found.high) if found.resamples else None
