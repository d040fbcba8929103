"""How well predicted instances match true ones: average precision and counts.

Average precision is Cellpose's and StarDist's TP / (TP + FP + FN) at a threshold on intersection
over union (Stringer et al., Nature Methods 2021). Counts add up over images, so a figure for a
whole set is pooled over its chromosomes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

BACKGROUND_GROUP = "background"


@dataclass(frozen=True)
class Counts:
    """True positives, false positives and false negatives at one threshold; they can be added."""

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Pool two sets of instances."""
        return Counts(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
        )

    @property
    def average_precision(self) -> float:
        """TP / (TP + FP + FN); NaN where there was nothing to find and nothing was found."""
        total = self.true_positives + self.false_positives + self.false_negatives
        return self.true_positives / total if total else float("nan")

    @property
    def precision(self) -> float:
        """TP / (TP + FP); NaN without predictions."""
        total = self.true_positives + self.false_positives
        return self.true_positives / total if total else float("nan")

    @property
    def recall(self) -> float:
        """TP / (TP + FN); NaN without true instances."""
        total = self.true_positives + self.false_negatives
        return self.true_positives / total if total else float("nan")


@dataclass(frozen=True)
class Overlap:
    """Shared pixels of true and predicted instances.

    Attributes
    ----------
    truth_labels : (T,) and predicted_labels : (P,)
        The labels that occur, ascending, without 0.
    intersection : (T, P) int64
        Pixels that a true and a predicted instance share.
    iou : (T, P) float64
        Intersection over union.
    """

    truth_labels: NDArray[np.int64]
    predicted_labels: NDArray[np.int64]
    intersection: NDArray[np.int64]
    iou: NDArray[np.float64]


def overlap_of(
    truth: NDArray[np.generic], predicted: NDArray[np.generic], ignored: NDArray[np.bool_] | None = None
) -> Overlap:
    """Count the pixels that instances share.

    Parameters
    ----------
    truth, predicted : (H, W) integer label images, 0 = background
    ignored : (H, W) bool, optional
        Pixels taken out of both, such as those which belong to two chromosomes.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if truth.shape != predicted.shape or (ignored is not None and ignored.shape != truth.shape):
        raise ValueError(f"Truth {truth.shape} and prediction {predicted.shape} differ in shape.")
    counted = slice(None) if ignored is None else ~ignored
    truth_labels, truth_index = np.unique(truth[counted].ravel(), return_inverse=True)
    predicted_labels, predicted_index = np.unique(predicted[counted].ravel(), return_inverse=True)
    shape = (len(truth_labels), len(predicted_labels))
    table = np.bincount(truth_index * shape[1] + predicted_index, minlength=shape[0] * shape[1])
    table = table.reshape(shape)
    rows, cols = truth_labels != 0, predicted_labels != 0
    union = table.sum(axis=1, keepdims=True) + table.sum(axis=0, keepdims=True) - table
    return Overlap(
        truth_labels[rows].astype(np.int64),
        predicted_labels[cols].astype(np.int64),
        table[rows][:, cols].astype(np.int64),
        (table / np.maximum(union, 1))[rows][:, cols],
    )


def matches(overlap: Overlap, iou_threshold: float) -> dict[int, int]:
    """One-to-one matches, true label to predicted label, as many as the threshold allows.

    Among equally many the assignment with the largest sum of IoU is taken.
    """
    good = overlap.iou >= iou_threshold
    smaller = min(overlap.iou.shape)
    if smaller == 0:
        return {}
    gain = good + overlap.iou / (2.0 * smaller)
    rows, cols = linear_sum_assignment(gain, maximize=True)
    return {
        int(overlap.truth_labels[row]): int(overlap.predicted_labels[col])
        for row, col in zip(rows, cols, strict=True)
        if good[row, col]
    }


def count_matches(overlap: Overlap, iou_threshold: float) -> Counts:
    """Count matches and misses of all instances of an image."""
    found = len(matches(overlap, iou_threshold))
    return Counts(found, len(overlap.predicted_labels) - found, len(overlap.truth_labels) - found)


def count_matches_by_group(
    overlap: Overlap, iou_threshold: float, groups: Mapping[str, AbstractSet[int]]
) -> dict[str, Counts]:
    """Count matches and misses per group of true instances.

    An unmatched prediction counts against the group of the true instance that it shares most pixels
    with; one that lies on background alone counts against the group `BACKGROUND_GROUP`.

    Parameters
    ----------
    groups
        True labels of each group; groups must not share labels.
    """
    found = matches(overlap, iou_threshold)
    group_of = {label: name for name, labels in groups.items() for label in labels}
    matched = set(found.values())
    wrong: Counter[str] = Counter()
    for column, label in enumerate(overlap.predicted_labels):
        if int(label) in matched:
            continue
        shared = overlap.intersection[:, column]
        if shared.sum() == 0:
            wrong[BACKGROUND_GROUP] += 1
        else:
            wrong[group_of.get(int(overlap.truth_labels[int(np.argmax(shared))]), BACKGROUND_GROUP)] += 1
    present = {int(label) for label in overlap.truth_labels}
    counts = {
        name: Counts(len(labels & found.keys()), wrong[name], len((labels & present) - found.keys()))
        for name, labels in groups.items()
    }
    return counts | {BACKGROUND_GROUP: Counts(0, wrong[BACKGROUND_GROUP], 0)}


def count_error(truth: NDArray[np.generic], predicted: NDArray[np.generic]) -> int:
    """Predicted minus true number of instances."""
    return len(np.setdiff1d(predicted, [0])) - len(np.setdiff1d(truth, [0]))
