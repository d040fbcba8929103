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
from scipy import sparse

from models.classification.metrics import NAN, Floats, Scored

MIN_GROUPS = 3
QUANTILES = (0.025, 0.975)
_RESAMPLES_AT_ONCE = 100  # keeps the tables of a step within the processor's caches

RESAMPLED_METRICS = ("precision", "recall", "f1", "average_precision", "roc_auc")


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
    return {name: _interval(values[name]) for name in RESAMPLED_METRICS}


def resampled_metrics(
    scored: Scored, threshold: float, seed: int, num_resamples: int
) -> Mapping[str, Floats]:
    """Each metric in each resample, (num_resamples,) float64 with NaN where it is undefined."""
    columns: dict[str, list[Floats]] = {name: [] for name in RESAMPLED_METRICS}
    if num_resamples and len(scored.labels):
        clusters, strata = _clusters(scored)
        tables = _Tables.of(scored, clusters, threshold)
        rng = np.random.default_rng(seed)
        for start in range(0, num_resamples, _RESAMPLES_AT_ONCE):
            draws = _draw(rng, strata, min(_RESAMPLES_AT_ONCE, num_resamples - start))
            for name, part in tables.metrics(draws).items():
                columns[name].append(part)
    return {name: np.concatenate([np.zeros(0), *parts]) for name, parts in columns.items()}


@dataclass(frozen=True)
class _Tables:
    """Counts by cluster, so that a resample is a weighted sum of rows.

    Attributes
    ----------
    total, positive : (clusters, segments) sparse float64
        Crops and aberrations by segment of the ranking, best score first. A segment is a block of
        equal scores with an aberration in it, or a run without any: the curves bend only there.
    verdicts : (clusters, 3) float64
        True positives, false positives, false negatives.
    """

    total: sparse.csr_array
    positive: sparse.csr_array
    verdicts: Floats

    @classmethod
    def of(cls, scored: Scored, clusters: NDArray[np.int64], threshold: float) -> _Tables:
        order = np.argsort(-scored.log_odds, kind="stable")
        labels, rows = scored.labels[order], clusters[order]
        segments = _segments(scored.log_odds[order], labels)
        shape = (int(clusters.max()) + 1, int(segments[-1]) + 1)
        flagged = scored.probabilities[order] >= threshold
        kinds = (flagged & (labels == 1), flagged & (labels == 0), ~flagged & (labels == 1))
        return cls(
            sparse.csr_array((np.ones(len(rows)), (rows, segments)), shape),
            sparse.csr_array((labels.astype(np.float64), (rows, segments)), shape),
            np.stack([np.bincount(rows, weights=kind, minlength=shape[0]) for kind in kinds], axis=1),
        )

    def metrics(self, draws: Floats) -> dict[str, Floats]:
        """Metrics of each resample from (B, clusters) draws, how often each cluster was taken."""
        found, invented, missed = (draws @ self.verdicts).T
        aberrations = found + missed
        flagged = found + invented
        total, positive = draws @ self.total, draws @ self.positive
        so_far, hits = np.cumsum(total, axis=1), np.cumsum(positive, axis=1)
        normals = so_far[:, -1] - aberrations
        negative = total - positive
        ahead = np.cumsum(negative, axis=1) - negative / 2.0  # normals that score higher, ties half
        precision = np.where(flagged > 0, _ratio(found, flagged), np.where(aberrations > 0, 0.0, NAN))
        return {
            "precision": precision,
            "recall": _ratio(found, aberrations),
            "f1": np.where(aberrations > 0, _ratio(2 * found, 2 * found + invented + missed), NAN),
            "average_precision": _ratio((positive * hits / np.maximum(so_far, 1.0)).sum(axis=1), aberrations),
            "roc_auc": 1.0 - _ratio((positive * ahead).sum(axis=1), aberrations * normals),
        }


def _segments(descending: Floats, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the segments (see `_Tables`) of a ranking, (N,) ascending from 0."""
    tie = np.cumsum(np.append(0, np.diff(descending) != 0))
    positive = np.bincount(tie, weights=labels)[tie] > 0
    starts = np.append(False, (np.diff(tie) != 0) & (positive[1:] | positive[:-1]))
    segments: NDArray[np.int64] = np.cumsum(starts)
    return segments


def _clusters(scored: Scored) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Return the cluster of every row, and the clusters among which each stratum draws."""
    if not resampling_of(scored).few_groups:
        names, clusters = np.unique(scored.groups, return_inverse=True)
        return clusters, [np.arange(len(names))]
    _, clusters = np.unique(scored.chromosomes, return_inverse=True)
    strata = [np.unique(clusters[scored.groups == group]) for group in np.unique(scored.groups)]
    return clusters, strata


def _draw(rng: np.random.Generator, strata: list[NDArray[np.int64]], count: int) -> Floats:
    """How often each cluster is taken, (count, clusters) float64."""
    draws = np.zeros((count, sum(map(len, strata))))
    for members in strata:
        size = len(members)
        picks = rng.integers(size, size=(count, size)) + size * np.arange(count)[:, None]
        draws[:, members] = np.bincount(picks.ravel(), minlength=count * size).reshape(count, size)
    return draws


def _ratio(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where there is nothing to divide by."""
    return np.divide(above, below, out=np.full(below.shape, NAN), where=below > 0)


def _interval(values: Floats) -> Interval:
    defined = values[np.isfinite(values)]
    if len(defined) == 0:
        return Interval()
    low, high = np.quantile(defined, QUANTILES)
    return Interval(float(low), float(high), len(defined))
