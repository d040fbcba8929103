"""How well a classifier does on a split: the numbers that go with its weights.

Everything is told per crop and per chromosome. A chromosome that was photographed in several colour
views has one score, the mean log-odds of its crops, and is held against the same threshold.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.classification.bootstrap import Resampling, resampling_of
from models.classification.figures import METRICS, Level, level_of, plain
from models.classification.metrics import (
    NAN,
    Floats,
    Scored,
    average_precision,
    checked_labels,
    confusion_at,
    log_odds,
    per_chromosome,
)


@dataclass(frozen=True)
class GroupFigures:
    """Per crop, within one group (slide or subject)."""

    group: str
    count: int
    aberrations: int
    precision: float
    recall: float
    average_precision: float


@dataclass(frozen=True)
class Evaluation:
    """A classifier's verdicts on one split.

    Attributes
    ----------
    resampling
        What the bootstrap drew; ``few_groups`` warns that its intervals ignore that slides differ.
    """

    threshold: float
    temperature: float
    crops: Level
    chromosomes: Level
    groups: tuple[GroupFigures, ...]
    resampling: Resampling
    num_bootstrap: int

    def to_json(self, *, curves: bool = True) -> dict[str, Any]:
        """Return plain numbers for a manifest, None for what is undefined.

        Parameters
        ----------
        curves
            Whether to give the points of the curves, at most 200 each.
        """
        return {
            "threshold": self.threshold,
            "temperature": self.temperature,
            "crops": self.crops.to_json(curves=curves),
            "chromosomes": self.chromosomes.to_json(curves=curves),
            "groups": [plain(asdict(one)) for one in self.groups],
            "bootstrap": {
                "unit": self.resampling.unit,
                "groups": self.resampling.groups,
                "few_groups": self.resampling.few_groups,
                "resamples": self.num_bootstrap,
                "level": 0.95,
            },
        }


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (ddof = 1) over seeds, of those in which it was defined.

    ``std`` is NaN for fewer than two.
    """

    mean: float
    std: float
    count: int

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, None for what is undefined."""
        return plain(asdict(self))


@dataclass(frozen=True)
class Summary:
    """Spread of every metric over seeds, by name in `METRICS`."""

    crops: dict[str, Spread]
    chromosomes: dict[str, Spread]

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers for a manifest."""
        return {
            "crops": {name: one.to_json() for name, one in self.crops.items()},
            "chromosomes": {name: one.to_json() for name, one in self.chromosomes.items()},
        }


def evaluate(
    logits: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]] | Sequence[int],
    groups: Sequence[str],
    chromosomes: Sequence[str],
    *,
    temperature: float,
    threshold: float,
    seed: int,
    num_bootstrap: int = 1000,
    pooling: Literal["mean", "max"] = "mean",
) -> Evaluation:
    """Hold scores against labels.

    Parameters
    ----------
    logits : (N, 2) float
        Normal and aberration, before the temperature; N may be 0.
    labels : (N,) 0 = normal, 1 = aberration
    groups : (N,)
        Slide or subject of each crop.
    chromosomes : (N,)
        Equal for crops of one chromosome; the same key in another group is another chromosome.
    threshold
        Least probability of a flagged crop or chromosome.
    seed
        Of the bootstrap.
    pooling
        How crops of a chromosome become one score (see `per_chromosome`).

    Raises
    ------
    ValueError
        If lengths or shapes differ, a logit is not finite, or a label is something else.
    """
    crops = scored_of(log_odds(logits, temperature), labels, groups, chromosomes)
    whole = per_chromosome(crops, pooling)
    # Without the temperature; scaling and averaging commute, and so do scaling and the maximum.
    levels = [
        level_of(one, expit(one.log_odds * temperature), threshold, seed, num_bootstrap)
        for one in (crops, whole)
    ]
    return Evaluation(
        threshold=threshold,
        temperature=temperature,
        crops=levels[0],
        chromosomes=levels[1],
        groups=_group_figures(crops, threshold),
        resampling=resampling_of(crops),
        num_bootstrap=num_bootstrap,
    )


def spread_of(values: Iterable[float]) -> Spread:
    """Mean and standard deviation of what is defined."""
    defined = [value for value in values if math.isfinite(value)]
    mean = float(np.mean(defined)) if defined else NAN
    std = float(np.std(defined, ddof=1)) if len(defined) > 1 else NAN
    return Spread(mean, std, len(defined))


def scored_of(
    odds: Floats,
    labels: NDArray[np.integer[Any]] | Sequence[int],
    groups: Sequence[str],
    chromosomes: Sequence[str],
) -> Scored:
    """Number the groups and chromosomes of scored crops.

    Parameters
    ----------
    odds : (N,) float64
        Log-odds of an aberration, after the temperature.
    labels, groups, chromosomes
        As `evaluate`.

    Raises
    ------
    ValueError
        If lengths differ, or a label is neither 0 nor 1.
    """
    if not len(odds) == len(groups) == len(chromosomes):
        raise ValueError(
            f"{len(odds)} scores, {len(groups)} groups and {len(chromosomes)} chromosomes: one each."
        )
    names, group_of = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    return Scored(
        odds,
        checked_labels(labels, len(odds)),
        group_of.astype(np.int64),
        _numbered(zip(group_of.tolist(), chromosomes, strict=True)),
        tuple(str(name) for name in names),
    )


def summarise(evaluations: Sequence[Evaluation]) -> Summary:
    """Mean and standard deviation over seeds, metric by metric."""
    return Summary(
        {name: spread_of(one.crops.values[name] for one in evaluations) for name in METRICS},
        {name: spread_of(one.chromosomes.values[name] for one in evaluations) for name in METRICS},
    )


def _group_figures(crops: Scored, threshold: float) -> tuple[GroupFigures, ...]:
    rows = []
    for index, name in enumerate(crops.group_names):
        here = crops.groups == index
        labels = crops.labels[here]
        verdicts = confusion_at(labels, crops.probabilities[here], threshold)
        rows.append(
            GroupFigures(
                name,
                len(labels),
                verdicts.aberrations,
                verdicts.precision,
                verdicts.recall,
                average_precision(labels, crops.log_odds[here]),
            )
        )
    return tuple(rows)


def _numbered(keys: Iterable[Hashable]) -> NDArray[np.int64]:
    """Number equal keys alike, in order of first appearance."""
    numbers: dict[Hashable, int] = {}
    return np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.int64)
