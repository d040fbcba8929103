"""Figures of lines and bars: the learning curve, precision-recall, generators' losses, and the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from services.pipelines.study.figures.data import (
    METRIC_TITLES,
    SPLIT_TITLES,
    UNIT_TITLES,
    Results,
    compared,
    conditions_like,
    most_told,
    range_of,
    reported_split,
    titles_of,
    values_of,
)
from services.pipelines.study.figures.pictures import StudyPictures
from services.pipelines.study.figures.style import (
    LINE_COLOURS,
    MARKERS,
    NEUTRAL,
    REFERENCE,
    SMALL_PT,
    canvas,
    colour_of,
    finish,
    legend_below,
    method_title,
    plain_numbers,
    plain_ticks,
)

MAX_LINES: Final = len(LINE_COLOURS)
_BOTH = ("both", "over_slides", "over_seeds")
_APART = 1.035  # factor between neighbouring arms at the same number of aberrations
_MINUTE, _HOUR = 60.0, 3600.0


def learning_curve(results: Results, unit: str = "crops") -> Figure | None:
    """Draw F1 and average precision over the number of training aberrations, and the gain below.

    A line for each arm that was trained with few aberrations, eight at most; small dots are seeds, bars
    95 % intervals of the difference to the reference over slides and seeds.

    Returns
    -------
    Figure or None
        None where no condition limits the aberrations.
    """
    conditions = conditions_like(results, "aberrations-")
    split = reported_split(results, conditions[0]["name"]) if conditions else None
    if split is None:
        return None
    names = {one["name"] for one in conditions}
    arms = most_told((run["arm"] for run in results["runs"] if run["condition"] in names), results, MAX_LINES)
    conditions += conditions_like(results, "all")
    places = {one["name"]: float(one["counts"]["train"]["aberration"]) for one in conditions}
    titles = titles_of(results)
    gain = f"difference to “{titles[results['study']['reference']]}”"
    figure = canvas(6.4)
    grid = figure.subplots(2, 2, sharex=True, squeeze=False)
    for column, metric in enumerate(("f1", "average_precision")):
        what = (split, unit, metric)
        _draw_scores(grid[0][column], results, arms, places, what)
        _draw_gains(grid[1][column], results, arms, places, what)
        title = METRIC_TITLES[metric]
        finish(grid[0][column], f"{title}, {SPLIT_TITLES[split]}", ylabel=f"{title}, {UNIT_TITLES[unit]}")
        finish(grid[1][column], xlabel="training aberrations (crops)", ylabel=gain)
        grid[1][column].axhline(0, color=REFERENCE, linewidth=0.9)
        grid[1][column].set_xscale("log")
        plain_ticks(grid[1][column], sorted(set(places.values())))
    legend_below(figure, [_line(index, titles[arm]) for index, arm in enumerate(arms)], 2)
    return figure


def pr_curves(pictures: StudyPictures, results: Results) -> Figure | None:
    """Draw precision over recall of the test crops, all seeds' verdicts together, for eight arms at most."""
    arms = most_told((arm for arm, (recall, _) in pictures.curves.items() if len(recall)), results, MAX_LINES)
    if not arms:
        return None
    figure = canvas(5.2)
    axes = figure.subplots()
    for index, arm in enumerate(arms):
        recall, precision = pictures.curves[arm]
        axes.plot(recall, precision, color=LINE_COLOURS[index], linewidth=1.3, drawstyle="steps-pre")
        # A few markers on the way tell lines apart that eyes cannot tell by colour.
        some = np.searchsorted(recall, np.linspace(0.1, 0.9, 5) + 0.012 * index).clip(max=len(recall) - 1)
        look: dict[str, Any] = {"color": LINE_COLOURS[index], "markersize": 4}
        axes.plot(recall[some], precision[some], MARKERS[index], **look)
    chance = _share_of_aberrations(results)
    handles = [_line(index, titles_of(results)[arm]) for index, arm in enumerate(arms)]
    if chance is not None:
        axes.axhline(chance, color=NEUTRAL, linewidth=0.9, linestyle=":")
        handles.append(Line2D([], [], color=NEUTRAL, linestyle=":", label="chance"))
    finish(axes, xlabel="recall, per crop", ylabel="precision, per crop", xlim=(0, 1.01), ylim=(0, 1.02))
    legend_below(figure, handles, 2)
    return figure


def time_bars(results: Results) -> Figure | None:
    """Draw how long each stage took and how many of its steps came from the cache; None without stages."""
    stages = [one for one in results["time"] if one["seconds"] is not None]
    if not stages:
        return None
    figure = canvas(0.9 + 0.28 * len(stages))
    axes = figure.subplots()
    longest = max(float(one["seconds"]) for one in stages) or 1.0
    unit, divisor = ("hours", _HOUR) if longest >= _HOUR else ("minutes", _MINUTE)
    places = np.arange(len(stages))
    widths = [float(one["seconds"]) / divisor for one in stages]
    axes.barh(places, widths, color=LINE_COLOURS[1], height=0.65)
    for place, width, one in zip(places, widths, stages, strict=True):
        axes.text(
            width + 0.012 * longest / divisor, place, _spent(one), fontsize=SMALL_PT, va="center_baseline"
        )
    axes.set_yticks(places, [one["stage"] for one in stages], parse_math=False)
    axes.invert_yaxis()
    finish(axes, grid="x", xlabel=unit, xlim=(0, longest / divisor * 1.35))
    return figure


def losses(results: Results) -> Figure | None:
    """Draw the training loss of each generator over its steps, a line for each condition."""
    trained = [one for one in results["generators"] if one["history"]]
    if not trained:
        return None
    methods = list(dict.fromkeys(one["method"] for one in trained))
    figure = canvas(3.0)
    for axes, method in zip(figure.subplots(1, len(methods), squeeze=False)[0], methods, strict=True):
        own = [one for one in trained if one["method"] == method]
        for one, dashes in zip(own, ("-", "--", "-.", ":") * len(own), strict=False):
            points = np.array([pair for pair in one["history"] if pair[1] is not None], np.float64).reshape(
                -1, 2
            )
            axes.plot(*points.T, dashes, color=colour_of(method), linewidth=1.2, label=one["condition"])
        drawn = [value for line in axes.get_lines() for value in np.atleast_1d(line.get_ydata())]
        finish(axes, method_title(method), xlabel="training step", ylabel="training loss")
        # Losses fall by factors; what may be nought or negative cannot be drawn on a log scale.
        if drawn and min(drawn) > 0:
            axes.set_yscale("log")
            plain_numbers(axes)
        axes.tick_params(which="both", labelsize=SMALL_PT)
        if len(own) > 1:
            for text in axes.legend(fontsize=SMALL_PT, frameon=False).get_texts():
                text.set_parse_math(False)
    return figure


def _draw_scores(
    axes: Axes, results: Results, arms: Sequence[str], places: Mapping[str, float], what: tuple[str, str, str]
) -> None:
    for index, arm in enumerate(arms):
        scores = {name: values_of(results, name, arm, what) for name in places}
        points = sorted((places[name], values) for name, values in scores.items() if values)
        for x, values in points:
            dots = [x * _shift(index, len(arms))] * len(values)
            axes.plot(dots, values, "o", color=LINE_COLOURS[index], markersize=2.5, alpha=0.5)
        middles = [x * _shift(index, len(arms)) for x, _ in points]
        means = [float(np.mean(values)) for _, values in points]
        axes.plot(
            middles,
            means,
            MARKERS[index],
            linestyle="-",
            color=LINE_COLOURS[index],
            linewidth=1.3,
            markersize=5,
        )


def _draw_gains(
    axes: Axes, results: Results, arms: Sequence[str], places: Mapping[str, float], what: tuple[str, str, str]
) -> None:
    differences = {name: compared(results, name, *what) for name in places}
    for index, arm in enumerate(arms):
        here = sorted((places[name], found[arm]) for name, found in differences.items() if arm in found)
        x = [place * _shift(index, len(arms)) for place, _ in here]
        middles = [float(one["difference"]) for _, one in here]
        axes.plot(
            x, middles, MARKERS[index], linestyle="-", color=LINE_COLOURS[index], linewidth=1.3, markersize=5
        )
        for place, (_, one) in zip(x, here, strict=True):
            ends = range_of(one, _BOTH)
            if ends is not None:
                axes.plot((place, place), ends, color=LINE_COLOURS[index], linewidth=1.0, alpha=0.7)


def _shift(index: int, count: int) -> float:
    """Factor that sets neighbouring arms apart on a logarithmic axis."""
    return float(_APART ** (index - (count - 1) / 2))


def _line(index: int, label: str) -> Line2D:
    return Line2D(
        [], [], color=LINE_COLOURS[index], marker=MARKERS[index], markersize=5, linewidth=1.3, label=label
    )


def _share_of_aberrations(results: Results) -> float | None:
    """Share of the test crops of the condition ``all``: what guessing would have as precision."""
    every: Mapping[str, Any] = next((one for one in results["conditions"] if one["name"] == "all"), {})
    counts = every.get("counts", {}).get("test")
    total = counts["normal"] + counts["aberration"] if counts else 0
    return counts["aberration"] / total if total else None


def _spent(stage: Mapping[str, Any]) -> str:
    """Write a time in the unit that suits it, and what was not computed again."""
    seconds = float(stage["seconds"])
    if seconds >= _HOUR:
        text = f"{seconds / _HOUR:.1f} h"
    elif seconds >= _MINUTE:
        text = f"{seconds / _MINUTE:.0f} min"
    else:
        text = f"{seconds:.0f} s"
    cached, steps = stage["from_cache"], stage["steps"]
    return f"{text} ({cached} of {steps} from the cache)" if cached else text
