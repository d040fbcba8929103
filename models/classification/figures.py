"""All figures of one set of scored things, crops or chromosomes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.classification.bootstrap import Interval, intervals
from models.classification.metrics import (
    Confusion,
    Curve,
    Floats,
    Reliability,
    Scored,
    average_precision,
    brier,
    confusion_at,
    expected_calibration_error,
    pr_curve,
    reliability,
    roc_auc,
    roc_curve,
)
from models.classification.ranking import RESAMPLED_METRICS

METRICS = (*RESAMPLED_METRICS, "brier", "ece_before", "ece_after")


@dataclass(frozen=True)
class Level:
    """Figures of crops, or of chromosomes.

    Attributes
    ----------
    values
        By name in `METRICS`, NaN where undefined. ``ece_before`` is the calibration error without
        the temperature, ``ece_after`` with it; ``brier`` is with it.
    intervals
        95 % bootstrap intervals of the first five.
    """

    count: int
    aberrations: int
    confusion: Confusion
    values: dict[str, float]
    intervals: dict[str, Interval]
    roc: Curve
    pr: Curve
    reliability: Reliability

    def to_json(self, *, curves: bool = True) -> dict[str, Any]:
        """Return plain numbers, None for what is undefined."""
        figures: dict[str, Any] = {
            name: {"value": value} | (asdict(self.intervals[name]) if name in self.intervals else {})
            for name, value in self.values.items()
        }
        drawn = {
            "roc": {"false_positive_rate": self.roc.x, "true_positive_rate": self.roc.y},
            "pr": {"recall": self.pr.x, "precision": self.pr.y},
            "reliability": {
                "probability": self.reliability.probability,
                "frequency": self.reliability.frequency,
                "count": self.reliability.count,
            },
        }
        told = {"count": self.count, "aberrations": self.aberrations, "confusion": asdict(self.confusion)}
        return plain(told | figures | (drawn if curves else {}))


def level_of(scored: Scored, uncalibrated: Floats, threshold: float, seed: int, num_bootstrap: int) -> Level:
    """Compute all figures.

    Parameters
    ----------
    uncalibrated : (N,) float64
        Probabilities without the temperature.
    threshold
        Least probability of a flagged one.
    seed, num_bootstrap
        Of the resamples.
    """
    labels, probabilities = scored.labels, scored.probabilities
    verdicts = confusion_at(labels, probabilities, threshold)
    return Level(
        count=len(labels),
        aberrations=verdicts.aberrations,
        confusion=verdicts,
        values={
            "precision": verdicts.precision,
            "recall": verdicts.recall,
            "f1": verdicts.f1,
            "average_precision": average_precision(labels, scored.log_odds),
            "roc_auc": roc_auc(labels, scored.log_odds),
            "brier": brier(labels, probabilities),
            "ece_before": expected_calibration_error(labels, uncalibrated),
            "ece_after": expected_calibration_error(labels, probabilities),
        },
        intervals=intervals(scored, threshold, seed, num_bootstrap),
        roc=roc_curve(labels, scored.log_odds).thinned(),
        pr=pr_curve(labels, scored.log_odds).thinned(),
        reliability=reliability(labels, probabilities),
    )


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Turn arrays into lists and what is not finite into None, all the way down."""
    return {key: _plain(one) for key, one in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return plain(value)
    if isinstance(value, np.ndarray):
        return [_plain(one) for one in value.tolist()]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
