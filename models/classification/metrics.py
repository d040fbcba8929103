"""How well scores tell aberrations from normal chromosomes: rates, curves and calibration.

Labels are 0 (normal) and 1 (aberration); the aberration is the positive class. A quantity that is
not defined is NaN and never a warning: recall and F1 without a true aberration, the area under the
ROC curve without both classes, average precision without an aberration. Where there are aberrations
and nothing is flagged, precision is 0 (scikit-learn's `zero_division=0`), so that a network which
finds nothing scores 0 and does not drop out of a mean over seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn import metrics as sk

NAN = float("nan")
CALIBRATION_BINS = 15
MAX_CURVE_POINTS = 200

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Confusion:
    """Right and wrong verdicts at one threshold; they can be added."""

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0
    true_negatives: int = 0

    def __add__(self, other: Confusion) -> Confusion:
        """Pool two sets."""
        return Confusion(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
            self.true_negatives + other.true_negatives,
        )

    @property
    def aberrations(self) -> int:
        """True aberrations, found or not."""
        return self.true_positives + self.false_negatives

    @property
    def precision(self) -> float:
        """TP / (TP + FP); without a flagged one 0, and NaN if there was nothing to flag either."""
        flagged = self.true_positives + self.false_positives
        if flagged:
            return self.true_positives / flagged
        return 0.0 if self.aberrations else NAN

    @property
    def recall(self) -> float:
        """TP / (TP + FN); NaN without an aberration."""
        return self.true_positives / self.aberrations if self.aberrations else NAN

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); NaN without an aberration."""
        twice = 2 * self.true_positives
        return twice / (twice + self.false_positives + self.false_negatives) if self.aberrations else NAN


@dataclass(frozen=True)
class Curve:
    """Points of a curve in drawing order; `x` and `y` are (P,) float64."""

    x: Floats
    y: Floats

    def thinned(self, max_points: int = MAX_CURVE_POINTS) -> Curve:
        """Keep at most `max_points`, spread evenly along the curve, with both ends.

        Even spacing by index would leave next to nothing of the steep start, where the few
        aberrations are.
        """
        if len(self.x) <= max_points:
            return self
        length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(self.x)) + np.abs(np.diff(self.y)))])
        kept = np.unique(np.searchsorted(length, np.linspace(0.0, length[-1], max_points - 1)))
        kept = np.union1d(kept, [0, len(self.x) - 1])
        return Curve(self.x[kept], self.y[kept])


@dataclass(frozen=True)
class Reliability:
    """Promised and observed frequency of aberrations, bin by bin, by ascending probability.

    Attributes
    ----------
    probability, frequency : (B,) float64
        Mean predicted probability and share of aberrations in each bin.
    count : (B,) int64
    """

    probability: Floats
    frequency: Floats
    count: NDArray[np.int64]

    @property
    def expected_calibration_error(self) -> float:
        """Mean distance of the two, weighted by count; NaN for no data."""
        if len(self.count) == 0:
            return NAN
        return float(np.average(np.abs(self.probability - self.frequency), weights=self.count))


def log_odds(logits: NDArray[np.floating[Any]], temperature: float = 1.0) -> Floats:
    """Logits (N, 2) to the log-odds of an aberration, (N,) float64.

    Raises
    ------
    ValueError
        If the shape is not (N, 2), a logit is not finite, or the temperature is not positive.
    """
    if logits.ndim != 2 or logits.shape[1] != 2:  # noqa: PLR2004 - normal and aberration
        raise ValueError(f"Logits of shape {logits.shape}, expected (N, 2).")
    if not np.isfinite(logits).all():
        raise ValueError("A logit is not finite.")
    if not 0 < temperature < np.inf:
        raise ValueError(f"Temperature {temperature}, expected a positive number.")
    wide = logits.astype(np.float64)
    odds: Floats = (wide[:, 1] - wide[:, 0]) / temperature
    return odds


def probabilities_of(logits: NDArray[np.floating[Any]], temperature: float = 1.0) -> Floats:
    """Softmax probability of an aberration, (N,) float64; raises as `log_odds` does."""
    probabilities: Floats = expit(log_odds(logits, temperature))
    return probabilities


def checked_labels(labels: NDArray[np.integer[Any]] | Sequence[int], count: int) -> Labels:
    """Labels as (N,) int64.

    Raises
    ------
    ValueError
        If there are not `count` of them, or one is neither 0 nor 1.
    """
    array = np.asarray(labels).reshape(-1)
    if len(array) != count:
        raise ValueError(f"{len(array)} labels for {count} scores.")
    if not np.isin(array, (0, 1)).all():
        raise ValueError("Labels are 0 (normal) and 1 (aberration).")
    return array.astype(np.int64)


def confusion_at(labels: Labels, probabilities: Floats, threshold: float) -> Confusion:
    """Count verdicts; a crop is flagged where its probability reaches the threshold."""
    flagged = probabilities >= threshold
    actual = labels == 1
    found = int(np.count_nonzero(flagged & actual))
    wrong = int(np.count_nonzero(flagged)) - found
    missed = int(np.count_nonzero(actual)) - found
    return Confusion(found, wrong, missed, len(labels) - found - wrong - missed)


def average_precision(labels: Labels, scores: Floats) -> float:
    """Sum of precision times gain in recall over the distinct scores; NaN without an aberration."""
    return float(sk.average_precision_score(labels, scores)) if labels.any() else NAN


def roc_auc(labels: Labels, scores: Floats) -> float:
    """Chance that an aberration scores above a normal one, ties half; NaN without both classes."""
    return float(sk.roc_auc_score(labels, scores)) if has_both_classes(labels) else NAN


def roc_curve(labels: Labels, scores: Floats) -> Curve:
    """True positive rate over false positive rate; empty without both classes."""
    if not has_both_classes(labels):
        return Curve(np.zeros(0), np.zeros(0))
    false_rate, true_rate, _ = sk.roc_curve(labels, scores)
    return Curve(false_rate, true_rate)


def pr_curve(labels: Labels, scores: Floats) -> Curve:
    """Precision over recall, from recall 0 and precision 1 on; empty without an aberration."""
    if not labels.any():
        return Curve(np.zeros(0), np.zeros(0))
    precision, recall, _ = sk.precision_recall_curve(labels, scores)
    return Curve(recall[::-1], precision[::-1])


def brier(labels: Labels, probabilities: Floats) -> float:
    """Mean squared difference of probability and label; NaN for no data."""
    return float(np.mean((probabilities - labels) ** 2)) if len(labels) else NAN


def reliability(labels: Labels, probabilities: Floats, bins: int = CALIBRATION_BINS) -> Reliability:
    """Compare promised and observed frequencies in bins of equal mass.

    Bins hold equally many crops and not equally wide ranges: at a few per cent of aberrations nearly
    everything would lie in the first of the wide ones. Equal probabilities never part, so ties make
    fewer and larger bins, whatever the order of the rows.
    """
    if len(labels) == 0:
        return Reliability(np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    edges = np.quantile(probabilities, np.arange(1, bins) / bins, method="inverted_cdf")
    _, index = np.unique(np.searchsorted(edges, probabilities, side="left"), return_inverse=True)
    count = np.bincount(index)
    return Reliability(
        np.bincount(index, weights=probabilities) / count,
        np.bincount(index, weights=labels) / count,
        count.astype(np.int64),
    )


def expected_calibration_error(labels: Labels, probabilities: Floats, bins: int = CALIBRATION_BINS) -> float:
    """Mean distance of promise and frequency over bins of equal mass (see `reliability`)."""
    return reliability(labels, probabilities, bins).expected_calibration_error


def has_both_classes(labels: Labels) -> bool:
    """Whether there is a normal and an aberrant one."""
    return bool(labels.any()) and not bool(labels.all())


@dataclass(frozen=True)
class Scored:
    """Things that were scored, crops or chromosomes.

    Attributes
    ----------
    log_odds : (N,) float64
        Of an aberration, after the temperature.
    labels : (N,) int64
    groups : (N,) int64
        Index into `group_names`: the slide or subject.
    chromosomes : (N,) int64
        Equal for crops of one chromosome.
    """

    log_odds: Floats
    labels: Labels
    groups: NDArray[np.int64]
    chromosomes: NDArray[np.int64]
    group_names: tuple[str, ...]

    @property
    def probabilities(self) -> Floats:
        """Probability of an aberration, (N,) float64."""
        probabilities: Floats = expit(self.log_odds)
        return probabilities


def per_chromosome(crops: Scored, how: Literal["mean", "max"] = "mean") -> Scored:
    """One score for all crops of a chromosome, in order of first appearance.

    Parameters
    ----------
    how
        mean: of the log-odds, so that views vote with their confidence, and the threshold chosen on
        crops keeps its meaning. max: the most suspicious view decides; recall rises with the number
        of views, and so do false alarms.

    A chromosome is aberrant where one of its crops is.
    """
    count = int(crops.chromosomes.max()) + 1 if len(crops.chromosomes) else 0
    first = np.zeros(count, np.int64)
    first[crops.chromosomes[::-1]] = np.arange(len(crops.chromosomes))[::-1]
    if how == "mean":
        views = np.bincount(crops.chromosomes, minlength=count)
        odds = np.bincount(crops.chromosomes, weights=crops.log_odds, minlength=count) / np.maximum(views, 1)
    else:
        odds = np.full(count, -np.inf)
        np.maximum.at(odds, crops.chromosomes, crops.log_odds)
    labels = np.zeros(count, np.int64)
    np.maximum.at(labels, crops.chromosomes, crops.labels)
    return Scored(odds, labels, crops.groups[first], np.arange(count), crops.group_names)
