"""A study's results, looked up by what they are about, and numbers as its report writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from services.pipelines.card_text import line

NONE: Final = "\N{EN DASH}"
MINUS: Final = "\N{MINUS SIGN}"
_GLUE: Final = "\N{NO-BREAK SPACE}"  # numbers that belong together stay on one line
NATURAL: Final = "natural"
TEN_TO_ONE: Final = "10:1"
# What an interval was drawn from, the one that holds most first.
INTERVALS: Final = MappingProxyType(
    {"both": "slides and seeds drawn", "over_slides": "slides drawn", "over_seeds": "over seeds"}
)
SPLITS: Final = MappingProxyType(
    {"train": "Training", "val": "Validation", "test": "Test", "left_out": "Left out"}
)
GENERATORS: Final = MappingProxyType({"bbdm": "BBDM", "cyclegan": "CycleGAN", "painted": "Painted"})
FILTERS: Final = MappingProxyType(
    {"umap": "UMAP", "mahalanobis": "Mahalanobis", "knn": "kNN", "probability": "Probability"}
)
METRICS: Final = MappingProxyType(
    {
        "precision": "Precision",
        "recall": "Recall",
        "f1": "F1",
        "average_precision": "Average precision",
        "roc_auc": "ROC AUC",
    }
)
ALL: Final = "all"
MIN_SEEDS: Final = 2
VERDICTS: Final = MappingProxyType(
    {
        "better": "better",
        "worse": "worse",
        "unsure": "not shown over seeds alone",
        "open": "no difference shown",
        "unknown": "cannot be told",
    }
)


@dataclass(frozen=True)
class Reading:
    """The dictionary of ``results.json`` with ways to look things up.

    Every look-up answers None for what a study does not have, so that a small one still gives a report.
    """

    results: Mapping[str, Any]

    def listed(self, name: str) -> Sequence[Mapping[str, Any]]:
        """A list of the results, empty where there is none."""
        return self.results.get(name) or ()

    def mapping(self, name: str) -> Mapping[str, Any]:
        """A mapping of the results, empty where there is none."""
        return self.results.get(name) or {}

    @property
    def study(self) -> Mapping[str, Any]:
        """What is said of the study as a whole."""
        return self.mapping("study")

    @property
    def seeds(self) -> int:
        """How many networks were trained in each arm."""
        return len(self.study.get("seeds") or ())

    @property
    def reference(self) -> str:
        """The arm that all others are compared with."""
        return str(self.study.get("reference") or "")

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """Arms' titles by name, in the order of the arms."""
        return {str(arm["name"]): line(arm.get("title") or arm["name"]) for arm in self.listed("arms")}

    @cached_property
    def conditions(self) -> Mapping[str, Mapping[str, Any]]:
        """Conditions by name."""
        return {str(one["name"]): one for one in self.listed("conditions")}

    @property
    def left_out(self) -> list[str]:
        """Conditions that keep groups out of training and score them."""
        return [name for name, one in self.conditions.items() if one.get("left_out_groups")]

    @property
    def limited(self) -> list[str]:
        """Conditions that limit the aberrations to learn from, the fewest first."""
        found = [name for name, one in self.conditions.items() if one.get("max_aberrations") is not None]
        return sorted(found, key=lambda name: int(self.conditions[name]["max_aberrations"]))

    @property
    def split(self) -> str:
        """The split that the report tells of: test, or validation where no test was scored."""
        scored = any(run.get("test") for run in self.listed("runs"))
        return "test" if scored else "val"

    def condition_title(self, name: str) -> str:
        """A condition's title."""
        return line(self.conditions.get(name, {}).get("title") or name)

    def counts(self, condition: str, split: str) -> Mapping[str, Any]:
        """How many crops, chromosomes and slides a split has."""
        return (self.conditions.get(condition, {}).get("counts") or {}).get(split) or {}

    @cached_property
    def _summaries(self) -> Mapping[tuple[str, ...], Mapping[str, Any]]:
        keys = ("condition", "arm", "split", "unit", "ratio")
        return {tuple(str(one[key]) for key in keys): one["metrics"] for one in self.listed("summaries")}

    def summary(
        self, condition: str, arm: str, *, split: str, unit: str = "crops", ratio: str = NATURAL
    ) -> Mapping[str, Any] | None:
        """The figures of an arm over its seeds."""
        return self._summaries.get((condition, arm, split, unit, ratio))

    @cached_property
    def _comparisons(self) -> Mapping[tuple[str, ...], Mapping[str, Any]]:
        keys = ("condition", "arm", "reference", "split", "unit", "metric")
        return {tuple(str(one[key]) for key in keys): one for one in self.listed("comparisons")}

    def comparison(
        self,
        arm: str,
        reference: str,
        *,
        split: str,
        unit: str = "crops",
        metric: str = "f1",
        condition: str = ALL,
    ) -> Mapping[str, Any] | None:
        """The difference of an arm from another."""
        return self._comparisons.get((condition, arm, reference, split, unit, metric))


def interval_of(comparison: Mapping[str, Any] | None) -> tuple[tuple[float, float] | None, str]:
    """The interval that a comparison is judged by.

    Returns
    -------
    tuple
        The ends, or None where it has none; and what was drawn for it, see `INTERVALS`.
    """
    for name in INTERVALS:
        ends = (comparison or {}).get(name)
        if ends and None not in ends:
            return (float(ends[0]), float(ends[1])), name
    return None, ""


def judged(comparison: Mapping[str, Any] | None) -> str:
    """Say what a comparison shows: ``better``, ``worse``, ``unsure``, ``open`` or ``unknown`` (`VERDICTS`).

    A difference is shown where every interval that there is leaves zero out: few seeds make a resampling of
    seeds too narrow, so the t-interval over seeds has to agree; ``unsure`` is where it does not. From one
    seed nothing follows about a way of training, only about two networks: ``unknown``.
    """
    found = comparison or {}
    ends, _ = interval_of(found)
    if ends is None or (found.get("seeds") or 0) < MIN_SEEDS:
        return "unknown"
    if ends[0] <= 0 <= ends[1]:
        return "open"
    seeds = found.get("over_seeds")
    if seeds and None not in seeds and (seeds[0] <= 0 if ends[0] > 0 else seeds[1] >= 0):
        return "unsure"
    return "better" if ends[0] > 0 else "worse"


def fixed(value: float | None, digits: int = 2) -> str:
    """Write a number with so many digits after the point, or a dash for none."""
    if value is None:
        return NONE
    text = f"{abs(value):.{digits}f}"
    return f"{MINUS}{text}" if value < 0 and float(text) else text


def signed(value: float | None, digits: int = 3) -> str:
    """Write a difference with its sign."""
    text = fixed(value, digits)
    return f"+{text}" if value is not None and value > 0 and float(text) else text


def spread(figure: Mapping[str, Any] | None) -> str:
    """Write a figure over seeds as the paper does, "0.84 ± 0.01"; the mean alone of a single seed."""
    if not figure or figure.get("mean") is None:
        return NONE
    mean = fixed(figure["mean"])
    return mean if figure.get("std") is None else f"{mean}{_GLUE}±{_GLUE}{fixed(figure['std'])}"


def difference(comparison: Mapping[str, Any] | None) -> str:
    """Write a difference with the interval that it is judged by, "+0.031 [0.004, 0.058]"."""
    if comparison is None or comparison.get("difference") is None:
        return NONE
    ends, _ = interval_of(comparison)
    value = signed(comparison["difference"])
    return value if ends is None else f"{value} {bracketed(ends)}"


def bracketed(ends: Sequence[float]) -> str:
    """Write an interval, "[0.004, 0.058]"."""
    return f"[{fixed(ends[0], 3)},{_GLUE}{fixed(ends[1], 3)}]"


def whole(value: float | None) -> str:
    """Write a count with its thousands apart."""
    return NONE if value is None else f"{value:,.0f}"


def share(part: float | None, of: float | None = 1) -> str:
    """Write a share in per cent."""
    return NONE if part is None or not of else f"{100 * part / of:.1f} %"


def duration(seconds: float | None) -> str:
    """Write a time in the unit that suits it."""
    if seconds is None:
        return NONE
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 90:  # noqa: PLR2004 - seconds
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"  # noqa: PLR2004


def plural(count: float, one: str, many: str = "") -> str:
    """Count things in words: "1 slide", "3 slides"."""
    return f"{whole(count)} {one if count == 1 else many or one + 's'}"
