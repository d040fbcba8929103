"""Looking things up in a study's results, for its figures: scores, differences, which arms are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

Results = Mapping[str, Any]
Range = tuple[float, float]

METRIC_TITLES: Final[Mapping[str, str]] = {
    "f1": "F1",
    "average_precision": "average precision",
    "precision": "precision",
    "recall": "recall",
}
UNIT_TITLES: Final[Mapping[str, str]] = {"crops": "per crop", "chromosomes": "per chromosome"}
SPLIT_TITLES: Final[Mapping[str, str]] = {
    "val": "validation",
    "test": "test",
    "left_out": "lines left out of training",
}
# Where not all arms fit into a figure of lines: what answers most questions comes first.
_MOST_TOLD = (
    *("augmented", "real", "augmented-oversampled", "augmented-bbdm-filtered", "augmented-bbdm"),
    *("augmented-painted-filtered", "augmented-painted", "real-cyclegan", "real-bbdm"),
)


def titles_of(results: Results) -> dict[str, str]:
    """Name to title of every arm, in the order of the table."""
    return {arm["name"]: arm["title"] for arm in results["arms"]}


def most_told(names: Iterable[str], results: Results, limit: int) -> list[str]:
    """Choose at most so many arms, those that answer most questions, in the order of the table."""
    here = set(names)
    known = [name for name in titles_of(results) if name in here]
    ranked = sorted(known, key=lambda name: _MOST_TOLD.index(name) if name in _MOST_TOLD else len(known) + 9)
    chosen = set(ranked[:limit])
    return [name for name in known if name in chosen]


def conditions_like(results: Results, prefix: str) -> list[Mapping[str, Any]]:
    """Return the conditions whose names begin so, in the order of the results."""
    return [one for one in results["conditions"] if one["name"].startswith(prefix)]


def reported_split(results: Results, condition: str) -> str | None:
    """``test`` where a run was scored on it, else ``val``; None where the condition has no run."""
    runs = [run for run in results["runs"] if run["condition"] == condition]
    if not runs:
        return None
    return "test" if any(run.get("test") for run in runs) else "val"


def values_of(results: Results, condition: str, arm: str, what: tuple[str, str, str]) -> list[float]:
    """One value for each seed at the natural ratio, as far as it is defined.

    Parameters
    ----------
    what
        Split, unit and metric.
    """
    split, unit, metric = what
    runs = [run for run in results["runs"] if (run["condition"], run["arm"]) == (condition, arm)]
    values = [run[split][unit]["natural"][metric] for run in runs if run.get(split)]
    return [float(value) for value in values if value is not None]


def compared(
    results: Results, condition: str, split: str, unit: str, metric: str
) -> dict[str, Mapping[str, Any]]:
    """Arm to its comparison with the study's reference, where the difference is defined."""
    wanted = {
        "condition": condition,
        "split": split,
        "unit": unit,
        "metric": metric,
        "reference": results["study"]["reference"],
    }
    return {
        one["arm"]: one
        for one in results["comparisons"]
        if one["difference"] is not None and all(one[key] == value for key, value in wanted.items())
    }


def range_of(comparison: Mapping[str, Any], names: Sequence[str]) -> Range | None:
    """Return the first of these intervals that is defined at both ends."""
    for name in names:
        found = comparison.get(name)
        if found is not None and None not in found:
            return float(found[0]), float(found[1])
    return None
