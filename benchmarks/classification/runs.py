"""The written runs of `benchmarks.classification.compare`, and how they are judged.

Temperature and threshold always come from the run's own validation split; what is held out has no say.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.classification.arms import ARMS, STEPS
from models.classification.calibration import Calibration, calibrate
from models.classification.evaluation import Evaluation, evaluate
from models.classification.ratios import kept_at_ratio

Level = Literal["crops", "chromosomes"]
UNITS: dict[Level, str] = {"crops": "crop", "chromosomes": "chromosome"}
KNOWN = "known"
FIGURES = ("precision", "recall", "f1", "average_precision")
DRAWS = 10  # of the normals that are kept for a given ratio


@dataclass(frozen=True)
class Part:
    """Scores of one split of one run.

    Attributes
    ----------
    logits : (N, 2) float64
    labels : (N,) int64
    slides, chromosomes, views : (N,) str
    """

    logits: NDArray[np.float64]
    labels: NDArray[np.int64]
    slides: NDArray[np.str_]
    chromosomes: NDArray[np.str_]
    views: NDArray[np.str_]

    def of(self, rows: NDArray[np.int64]) -> Part:
        """Some rows."""
        return Part(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class Run:
    """One training; equal to itself alone, so that its figures can be kept."""

    arm: str
    scenario: str
    seed: int
    seconds: float
    parts: dict[str, Part]

    @property
    def held_out(self) -> tuple[str, ...]:
        """Parts with crops, validation first."""
        return tuple(name for name, part in self.parts.items() if len(part.labels))


def read_runs(folder: Path, steps: int | None = None) -> list[Run]:
    """Runs of every known arm with its scenario's number of steps, or with `steps`; sorted."""
    order = {name: index for index, name in enumerate(ARMS)}
    runs = []
    for path in folder.glob("*.json"):
        stored = json.loads(path.read_text(encoding="utf-8"))
        planned = int(path.stem.rsplit(".", 1)[1])
        arm = ARMS.get(stored["arm"])
        if arm is None or planned != (steps or STEPS[stored["scenario"]]):
            continue
        parts = {name: _part(scores) for name, scores in stored["scores"].items() if scores}
        runs.append(Run(stored["arm"], stored["scenario"], stored["seed"], stored["seconds"], parts))
    return sorted(runs, key=lambda run: (order[run.arm], run.scenario, run.seed))


def calibration_of(run: Run) -> Calibration:
    """Temperature and threshold from the run's validation split."""
    return calibrate(run.parts["val"].logits, run.parts["val"].labels)


@cache
def figures(run: Run, part: str, level: Level, normal_ratio: int | None = None) -> dict[str, float]:
    """Precision, recall, F1 and average precision of the aberration class.

    Parameters
    ----------
    normal_ratio
        Keep whole normal chromosomes until there are about so many normal crops for each aberrant
        one, in validation and in `part`, and average over ten draws. None: all there are.
    """
    if normal_ratio is None:
        return _values(judged(run.parts["val"], run.parts[part]), level)
    drawn = []
    for draw in range(DRAWS):
        validation, held = (_thinned(run.parts[name], normal_ratio, draw) for name in ("val", part))
        drawn.append(_values(judged(validation, held), level))
    return {name: float(np.mean([one[name] for one in drawn])) for name in FIGURES}


def judged(validation: Part, held: Part) -> Evaluation:
    """Evaluate one part with what was chosen on another; without a bootstrap."""
    chosen = calibrate(validation.logits, validation.labels)
    return evaluate(
        held.logits,
        held.labels,
        held.slides.tolist(),
        held.chromosomes.tolist(),
        temperature=chosen.temperature.value,
        threshold=chosen.threshold.value,
        seed=0,
        num_bootstrap=0,
    )


def spread(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation (ddof = 1) of what is finite; NaN where there is too little."""
    finite = [value for value in values if math.isfinite(value)]
    mean = float(np.mean(finite)) if finite else math.nan
    return mean, float(np.std(finite, ddof=1)) if len(finite) > 1 else math.nan


def _part(scores: dict[str, list[object]]) -> Part:
    return Part(
        np.array(scores["logits"], np.float64).reshape(-1, 2),
        np.array(scores["labels"], np.int64),
        *(np.array(scores[name], np.str_) for name in ("slides", "chromosomes", "views")),
    )


def _values(evaluation: Evaluation, level: Level) -> dict[str, float]:
    values: dict[str, float] = getattr(evaluation, level).values
    return {name: values[name] for name in FIGURES}


def _thinned(part: Part, normal_ratio: int, draw: int) -> Part:
    return part.of(np.flatnonzero(kept_at_ratio(part.labels, part.chromosomes, normal_ratio, draw)))
