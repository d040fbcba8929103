"""Metrics of many weightings of one ranking at once.

A resample draws whole clusters, slides or chromosomes, some of them more than once: it is a weighting of
the clusters, and so is a choice of some. The ranking is sorted once, and each weighting is a product of
matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.classification.metrics import NAN, Floats, Scored

RESAMPLED_METRICS = ("precision", "recall", "f1", "average_precision", "roc_auc")


@dataclass(frozen=True)
class RankingTables:
    """Counts by cluster, so that a weighting is a weighted sum of rows.

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
    def of(cls, scored: Scored, clusters: NDArray[np.int64], threshold: float) -> RankingTables:
        """Sort the scores of at least one row.

        Parameters
        ----------
        clusters : (N,) int64
            Of every row, from 0 on.
        threshold
            Least probability of a flagged one.
        """
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
        """Metrics by name in `RESAMPLED_METRICS`, (B,) float64 each, NaN where undefined.

        Parameters
        ----------
        draws : (B, clusters) float64
            How often each cluster is taken.
        """
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
    """Number the segments (see `RankingTables`) of a ranking, (N,) ascending from 0."""
    tie = np.cumsum(np.append(0, np.diff(descending) != 0))
    positive = np.bincount(tie, weights=labels)[tie] > 0
    starts = np.append(False, (np.diff(tie) != 0) & (positive[1:] | positive[:-1]))
    segments: NDArray[np.int64] = np.cumsum(starts)
    return segments


def _ratio(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where there is nothing to divide by."""
    return np.divide(above, below, out=np.full(below.shape, NAN), where=below > 0)
