"""From the scores of one run to figures, and from figures of several seeds to their spread.

Temperature and thresholds come from the run's validation split; the split that is judged has no say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.classification.calibration import (
    DEFAULT_TEMPERATURE,
    DEFAULT_THRESHOLD,
    calibrate,
    choose_threshold,
)
from models.classification.evaluation import scored_of, spread_of
from models.classification.figures import plain
from models.classification.metrics import NAN, Scored, log_odds, per_chromosome, probabilities_of
from models.classification.ranking import RESAMPLED_METRICS, RankingTables
from models.classification.ratios import kept_at_ratio

Split = Literal["val", "test", "left_out"]
Unit = Literal["crops", "chromosomes"]

SPLITS: Final[tuple[Split, ...]] = ("val", "test", "left_out")
UNITS: Final[tuple[Unit, ...]] = ("crops", "chromosomes")
METRICS: Final = RESAMPLED_METRICS
NATURAL: Final = "natural"
TEN_TO_ONE: Final = "10:1"
RATIOS: Final = (NATURAL, TEN_TO_ONE)
NORMAL_RATIO: Final = 10
DRAWS: Final = 10  # of the normal chromosomes that are kept for the ratio


class Thresholds(NamedTuple):
    """What turns logits into verdicts, at the natural ratio and at ten normal crops to one."""

    temperature: float = DEFAULT_TEMPERATURE
    threshold: float = DEFAULT_THRESHOLD
    threshold_10_1: float = DEFAULT_THRESHOLD


DEFAULTS: Final = Thresholds()


@dataclass(frozen=True, eq=False)
class Scores:
    """What one network said of one split.

    Attributes
    ----------
    logits : (N, 2) float
        Normal and aberration, before the temperature; N may be 0.
    labels : (N,) 0 = normal, 1 = aberration
    groups : (N,)
        Slide or subject of each crop.
    chromosomes : (N,)
        Equal for crops of one chromosome; the same key in another group is another chromosome.
    thresholds
        From the run's validation split, see `thresholds_on_validation`.
    """

    logits: NDArray[np.floating[Any]]
    labels: NDArray[np.integer[Any]] | Sequence[int]
    groups: Sequence[str]
    chromosomes: Sequence[str]
    thresholds: Thresholds = DEFAULTS

    def with_thresholds(self, thresholds: Thresholds) -> Scores:
        """The same scores, judged otherwise."""
        return replace(self, thresholds=thresholds)

    @cached_property
    def levels(self) -> Mapping[Unit, Scored]:
        """Crops and whole chromosomes, the latter by the mean log-odds of their crops.

        Raises
        ------
        ValueError
            If lengths or shapes differ, a logit is not finite, or a label is something else.
        """
        odds = log_odds(self.logits, self.thresholds.temperature)
        crops = scored_of(odds, self.labels, self.groups, self.chromosomes)
        return MappingProxyType({"crops": crops, "chromosomes": per_chromosome(crops)})


def thresholds_on_validation(scores: Scores) -> Thresholds:
    """Fit the temperature, then choose the threshold of highest F1 for each ratio.

    For ten to one, a false alarm on validation counts as often as its crop would be kept; drawing
    crops instead would only make the same threshold noisier.

    Raises
    ------
    ValueError
        As `Scores.levels`.
    """
    labels = scores.levels["crops"].labels
    chosen = calibrate(scores.logits, labels)
    aberrations = int(labels.sum())
    normals = len(labels) - aberrations
    weight = min(1.0, NORMAL_RATIO * aberrations / normals) if normals else 1.0
    probabilities = probabilities_of(scores.logits, chosen.temperature.value)
    at_ratio = choose_threshold(labels, probabilities, weight)
    return Thresholds(chosen.temperature.value, chosen.threshold.value, at_ratio.value)


def figures_of(scores: Scores) -> dict[str, dict[str, dict[str, float | None]]]:
    """Metrics by unit (`UNITS`), ratio (`RATIOS`) and name (`METRICS`); None where one is undefined.

    At ten to one every aberrant chromosome counts, and whole normal ones up to ten normal crops for
    each aberrant one: the mean of ten draws, the same for every network. Where there are fewer normal
    crops, all count.

    Raises
    ------
    ValueError
        As `Scores.levels`.
    """
    crops = scores.levels["crops"]
    kept = _kept_chromosomes(crops)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for unit, scored in scores.levels.items():
        everything = np.ones((1, kept.shape[1]))
        found[unit] = {
            NATURAL: _means(scored, everything, scores.thresholds.threshold),
            TEN_TO_ONE: _means(scored, kept, scores.thresholds.threshold_10_1),
        }
    return plain(found)


def summarise(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean and standard deviation over seeds of every metric.

    Parameters
    ----------
    runs
        With ``condition``, ``arm`` and, by split, what `figures_of` returned (or None).

    Returns
    -------
    One entry for each condition, arm, split, unit and ratio of which there are figures: ``metrics``
    tells ``mean``, ``std`` (ddof = 1, None below two seeds) and ``count`` of the defined ones.
    """
    entries = []
    for condition, arm in dict.fromkeys((run["condition"], run["arm"]) for run in runs):
        mine = [run for run in runs if (run["condition"], run["arm"]) == (condition, arm)]
        for split in SPLITS:
            told = [run[split] for run in mine if run.get(split) is not None]
            place = {"condition": condition, "arm": arm, "split": split}
            entries += [place | entry for entry in _spreads(told)]
    return entries


def _spreads(told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if not told:
        return []
    return [
        {
            "unit": unit,
            "ratio": ratio,
            "metrics": {
                name: spread_of(_number(one[unit][ratio][name]) for one in told).to_json() for name in METRICS
            },
        }
        for unit in UNITS
        for ratio in RATIOS
    ]


def _kept_chromosomes(crops: Scored) -> NDArray[np.float64]:
    """Which chromosomes count in each draw, (DRAWS, chromosomes) of 0 and 1."""
    count = int(crops.chromosomes.max()) + 1 if len(crops.chromosomes) else 0
    kept = np.zeros((DRAWS, count))
    for draw in range(DRAWS):
        rows = kept_at_ratio(crops.labels, crops.chromosomes, NORMAL_RATIO, draw)
        kept[draw, crops.chromosomes[rows]] = 1.0
    return kept


def _means(scored: Scored, weights: NDArray[np.float64], threshold: float) -> dict[str, float]:
    if not len(scored.labels):
        return dict.fromkeys(METRICS, NAN)
    values = RankingTables.of(scored, scored.chromosomes, threshold).metrics(weights)
    return {name: spread_of(values[name].tolist()).mean for name in METRICS}


def _number(value: float | None) -> float:
    return NAN if value is None else value
