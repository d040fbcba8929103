"""How good a classifier is, read from its manifest: what the command line and the page tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from client.members import members, number

UNITS = ("crops", "chromosomes")
SPLIT_NAMES = {"val": "validation", "test": "test", "left_out": "left-out groups"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its 95 % interval; None is what is undefined or was not told."""

    value: float | None = None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """For example ``0.91 (0.84 to 0.96)``."""
        if self.value is None:
            return "-"
        interval = "" if self.low is None or self.high is None else f" ({self.low:.2f} to {self.high:.2f})"
        return f"{self.value:.2f}{interval}"


@dataclass(frozen=True, slots=True)
class SplitFigures:
    """Of the aberration class, on one split; `unit` is what is counted."""

    split: str
    unit: str
    count: int
    aberrations: int
    precision: Figure
    recall: Figure
    f1: Figure
    average_precision: Figure


def figures_of(metrics: Any) -> Iterator[SplitFigures]:
    """Read the `metrics` of a manifest, or of a training's result; what is no such thing has none."""
    for split, evaluation in members(metrics).items():
        for unit in UNITS:
            level = members(members(evaluation).get(unit))
            if "count" in level:
                yield SplitFigures(
                    SPLIT_NAMES.get(split, split),
                    unit,
                    int(level["count"]),
                    int(level.get("aberrations") or 0),
                    *(_figure(level.get(key)) for key in ("precision", "recall", "f1", "average_precision")),
                )


def _figure(told: Any) -> Figure:
    level = members(told)
    return Figure(*(number(level.get(key)) for key in ("value", "low", "high")))
