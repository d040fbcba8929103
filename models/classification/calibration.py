"""Temperature and threshold of a classifier, both taken from its validation split.

The temperature (Guo et al., ICML 2017) divides the logits: it changes how sure the network claims
to be and never the order of its scores. The threshold is chosen afterwards, on calibrated
probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_expit

from models.classification.metrics import (
    Confusion,
    Floats,
    Labels,
    checked_labels,
    confusion_at,
    has_both_classes,
    log_odds,
    probabilities_of,
)

MIN_TEMPERATURE = 0.05
MAX_TEMPERATURE = 20.0
AT_A_BOUND = 1.01  # a minimum within one per cent of a bound is the bound, not a minimum
DEFAULT_TEMPERATURE = 1.0
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Chosen:
    """A fitted value; `reason` says why it is the default where it could not be fitted."""

    value: float
    reason: str | None = None


@dataclass(frozen=True)
class Calibration:
    """What turns logits into probabilities and verdicts.

    Attributes
    ----------
    nll_before, nll_after
        Mean negative log-likelihood of the validation labels, in nats; 0 for an empty split.
    verdicts
        On the validation split at the threshold.
    """

    temperature: Chosen
    threshold: Chosen
    nll_before: float
    nll_after: float
    verdicts: Confusion

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers for a manifest."""
        return {
            "temperature": self.temperature.value,
            "temperature_reason": self.temperature.reason,
            "threshold": self.threshold.value,
            "threshold_reason": self.threshold.reason,
            "nll_before": self.nll_before,
            "nll_after": self.nll_after,
        }


def calibrate(
    logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]] | Sequence[int]
) -> Calibration:
    """Fit the temperature, then choose the threshold on the calibrated probabilities.

    Parameters
    ----------
    logits : (N, 2) float
        Of the validation split; N may be 0.
    labels : (N,) 0 = normal, 1 = aberration

    Raises
    ------
    ValueError
        If shapes differ, a logit is not finite, or a label is something else.
    """
    odds = log_odds(logits)
    truth = checked_labels(labels, len(odds))
    temperature = fit_temperature(logits, truth)
    probabilities = probabilities_of(logits, temperature.value)
    threshold = choose_threshold(truth, probabilities)
    return Calibration(
        temperature,
        threshold,
        _nll(odds, truth, 1.0),
        _nll(odds, truth, temperature.value),
        confusion_at(truth, probabilities, threshold.value),
    )


def fit_temperature(
    logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]] | Sequence[int]
) -> Chosen:
    """Temperature of least negative log-likelihood, within 0.05 and 20.

    The likelihood has one maximum in 1 / T, so a bounded search finds it, the same on every run.
    Where it has none inside the bounds the logits stay as they are (1.0) and the reason says so.

    Raises
    ------
    ValueError
        As `calibrate`.
    """
    odds = log_odds(logits)
    truth = checked_labels(labels, len(odds))
    if not has_both_classes(truth):
        return Chosen(DEFAULT_TEMPERATURE, "The validation split holds only one class, or nothing.")
    if not odds.any():
        return Chosen(DEFAULT_TEMPERATURE, "All logits are equal: no temperature changes anything.")
    found = minimize_scalar(
        lambda log_temperature: _nll(odds, truth, float(np.exp(log_temperature))),
        bounds=(np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    temperature = float(np.exp(found.x))
    if temperature < MIN_TEMPERATURE * AT_A_BOUND:
        return Chosen(
            DEFAULT_TEMPERATURE,
            "The validation split is told apart without an error: any confidence would look justified.",
        )
    if temperature > MAX_TEMPERATURE / AT_A_BOUND:
        return Chosen(
            DEFAULT_TEMPERATURE, "The logits say nothing about the validation labels: no confidence fits."
        )
    return Chosen(temperature)


def choose_threshold(labels: Labels, probabilities: Floats, normal_weight: float = 1.0) -> Chosen:
    """Least probability to call an aberration: the one of highest F1.

    Of equally good ones the lowest is taken, which has the higher recall: a missed translocation
    costs more than a second look. It lies half-way between two neighbouring probabilities, so that
    rounding on another device does not move a verdict. Without both classes it is 0.5.

    Parameters
    ----------
    labels : (N,) 0 or 1
    probabilities : (N,) float64
    normal_weight
        What a false alarm counts: less than 1 for a ratio with fewer normal crops than there are here.

    Raises
    ------
    ValueError
        If lengths differ or a label is something else.
    """
    truth = checked_labels(labels, len(probabilities))
    if not has_both_classes(truth):
        return Chosen(DEFAULT_THRESHOLD, "The validation split holds only one class, or nothing.")
    order = np.argsort(-probabilities, kind="stable")
    descending = probabilities[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(descending)), len(descending) - 1)
    found = np.cumsum(truth[order])[last_of_tie]
    invented = normal_weight * (last_of_tie + 1 - found)
    f1 = 2 * found / (found + invented + truth.sum())  # 2 TP / (flagged + aberrations)
    best = int(np.flatnonzero(f1 == f1.max())[-1])
    lowest = float(descending[last_of_tie[best]])
    following = float(descending[last_of_tie[best] + 1]) if best + 1 < len(last_of_tie) else 0.0
    middle = (lowest + following) / 2.0
    return Chosen(middle if middle > following else lowest)


def _nll(odds: Floats, labels: Labels, temperature: float) -> float:
    if len(labels) == 0:
        return 0.0
    signed = np.where(labels == 1, odds, -odds) / temperature
    return float(-np.mean(log_expit(signed)))
