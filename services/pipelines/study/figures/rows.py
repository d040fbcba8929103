"""Rows of a figure, one for each arm of a study, in groups: remedies, and what synthetic crops add."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from services.pipelines.study.figures.data import Results, titles_of
from services.pipelines.study.figures.style import NEUTRAL, SMALL_PT

_ROW_IN, _AROUND_IN = 0.215, 1.25
_TICKS = 9  # of all panels together
_WIDEST = 4.0  # how many times the usual distance an axis shows; what is farther out is an arrow


@dataclass(frozen=True)
class Rows:
    """Where each arm is drawn, from the top down, with a heading over each group of arms."""

    places: Mapping[str, float]
    headings: Mapping[str, float]
    bottom: float

    @property
    def height(self) -> float:
        """Inches for these rows and what is around them."""
        return self.bottom * _ROW_IN + _AROUND_IN


def rows_of(results: Results, arms: Iterable[str]) -> Rows:
    """Put these arms below each other in groups, in the order of the table."""
    wanted = set(arms)
    groups: dict[str, list[str]] = {}
    for arm in results["arms"]:
        if arm["name"] in wanted:
            groups.setdefault(_group_of(arm), []).append(arm["name"])
    places, headings, place = {}, {}, 0.0
    for heading, members in groups.items():
        place += 1.2
        headings[heading] = place
        for name in members:
            place += 1
            places[name] = place
    return Rows(places, headings, place + 1)


def _group_of(arm: Mapping[str, Any]) -> str:
    if not arm["synthetic"]:
        return "Real crops and simple remedies"
    if arm["remedy"] != "none":
        return "Synthetic crops and a simple remedy"
    return f"Synthetic crops, {'with' if arm['augmented'] else 'without'} augmentation"


def columns_of(figure: Figure, count: int) -> list[Axes]:
    """Return panels side by side over the same rows; narrow ones have few ticks."""
    panels = list(figure.subplots(1, count, squeeze=False, sharey=True)[0])
    for axes in panels:
        axes.xaxis.set_major_locator(MaxNLocator(max(_TICKS // count, 2), steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    return panels


def _short(value: float) -> str:
    return f"{round(value, 6) + 0.0:g}".replace("-", "\N{MINUS SIGN}")


def label_rows(figure: Figure, rows: Rows, results: Results) -> None:
    """Write the arms at the left, and headings and lines between groups into all panels."""
    titles = titles_of(results)
    panels = figure.get_axes()
    for axes in panels:
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        for place in rows.headings.values():
            axes.axhline(place - 0.6, color=NEUTRAL, linewidth=0.5)
    panels[0].set_ylim(rows.bottom, 0.4)
    ticks = [*rows.headings.values(), *rows.places.values()]
    labels = [*rows.headings, *(titles[arm] for arm in rows.places)]
    panels[0].set_yticks(ticks, labels, fontsize=SMALL_PT, parse_math=False)
    for label in panels[0].get_yticklabels()[: len(rows.headings)]:
        label.set_fontweight("bold")


def handle_of(marker: str, colour: str, label: str, size: float = 5, *, hollow: bool = False) -> Line2D:
    """Return a marker for a legend."""
    face = "white" if hollow else colour
    return Line2D(
        [], [], color=colour, marker=marker, linestyle="", markersize=size, markerfacecolor=face, label=label
    )


def reach_of(distances: Iterable[float], least: float) -> float:
    """How far an axis reaches from its middle to both sides, so that usual distances fill it.

    One arm that fails, as CycleGAN's does in the paper, must not squeeze all others into a line: what lies
    four times as far out as is usual is left to `draw_far_out`.
    """
    known = list(distances)
    if not known:
        return least
    usual = _WIDEST * float(np.median(known))
    return max(max((one for one in known if one <= usual), default=usual), least)


def draw_far_out(axes: Axes, place: float, text: str, *, right: bool, colour: str) -> None:
    """Draw an arrow at the edge of a panel whose limits are set, and the number that lies beyond it."""
    low, high = axes.get_xlim()
    edge, inwards = (high, low - high) if right else (low, high - low)
    axes.plot(edge + 0.03 * inwards, place, ">" if right else "<", color=colour, markersize=5)
    axes.text(
        edge + 0.08 * inwards,
        place,
        text.replace("-", "\N{MINUS SIGN}"),
        fontsize=SMALL_PT,
        color=colour,
        ha="right" if right else "left",
        va="center_baseline",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )
