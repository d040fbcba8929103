"""Which arms of a study are held against which, and the table of all their differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from models.classification.metrics import Floats
from models.study.arms import Arm, ArmName
from models.study.paired import NUM_RESAMPLES, Resamples, difference_of
from models.study.runs import FinishedRun
from models.study.statistics import SPLITS, UNITS, Unit

COMPARED_METRICS: Final = ("f1", "average_precision", "recall", "precision")
# Each of these answers a question that the difference to the reference leaves open.
QUESTIONS: Final[tuple[tuple[ArmName, ArmName], ...]] = (
    ("augmented-bbdm-filtered", "augmented-bbdm"),
    ("augmented-bbdm-filtered", "augmented-bbdm-random"),
    ("augmented-bbdm-filtered", "augmented-bbdm-mahalanobis"),
    ("augmented-bbdm-filtered", "augmented-bbdm-knn"),
    ("augmented-bbdm-filtered", "augmented-bbdm-probability"),
    ("augmented-bbdm-filtered", "augmented-oversampled"),
    ("real-bbdm", "real"),
    ("real-painted", "real"),
    ("real-cyclegan", "real"),
    ("real-cyclegan", "real-bbdm"),
    ("augmented-painted-filtered", "augmented-painted"),
    ("oversampled-painted", "augmented-oversampled"),
    ("oversampled-painted-filtered", "augmented-oversampled"),
    ("oversampled-bbdm-filtered", "augmented-oversampled"),
)

_Values = Mapping[Unit, Mapping[str, Floats]]


def reference_among(arms: Sequence[Arm], wanted: str) -> str:
    """Return the arm that all others are held against: the wanted one, or else the first.

    Raises
    ------
    ValueError
        If there is no arm.
    """
    if not arms:
        raise ValueError("A study without arms has none to compare with.")
    names = [arm.name for arm in arms]
    return wanted if wanted in names else names[0]


def pairs_of(arms: Sequence[Arm], reference: str) -> tuple[tuple[str, str], ...]:
    """List arms with what each is held against, once each: the reference, then `QUESTIONS`."""
    names = [arm.name for arm in arms]
    against = [(name, reference) for name in names if name != reference]
    asked = [(arm, other) for arm, other in QUESTIONS if arm in names and other in names]
    return tuple(dict.fromkeys([*against, *asked]))


def comparisons_of(
    runs: Sequence[FinishedRun],
    pairs: Iterable[tuple[str, str]],
    *,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Compare pairs of arms in every condition, split and unit, at the natural ratio.

    Parameters
    ----------
    runs
        One of each condition, arm and seed; their order decides that of conditions in the result, and
        nothing else.
    pairs
        Arm and reference.
    seed
        Of the resamples.

    Raises
    ------
    ValueError
        If runs of a condition scored different crops.
    """
    entries: list[dict[str, Any]] = []
    wanted = tuple(pairs)
    compared = {name for pair in wanted for name in pair}
    for condition in dict.fromkeys(run.condition for run in runs):
        mine = [run for run in runs if run.condition == condition and run.arm in compared]
        for split in SPLITS:
            scored = [run for run in mine if split in run.splits]
            if not scored:
                continue
            resamples = Resamples.of(scored[0].splits[split], num_resamples, seed)
            values: dict[str, dict[int, _Values]] = {}
            for run in scored:
                values.setdefault(run.arm, {})[run.seed] = resamples.values(run.splits[split])
            for entry in _entries(values, wanted):
                place = {"condition": condition, "split": split}
                entries.append(place | entry | {"resampled": resamples.resampled})
    return entries


def _entries(
    values: Mapping[str, Mapping[int, _Values]], pairs: Iterable[tuple[str, str]]
) -> Iterator[dict[str, Any]]:
    for arm, reference in pairs:
        if arm not in values or reference not in values:
            continue
        for unit in UNITS:
            for metric in COMPARED_METRICS:
                by_seed = [
                    {seed: one[unit][metric] for seed, one in values[name].items()}
                    for name in (arm, reference)
                ]
                found = difference_of(*by_seed)
                place = {"arm": arm, "reference": reference, "unit": unit, "metric": metric}
                yield place | found.to_json()
