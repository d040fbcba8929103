"""Scores of a study's arms, a row for each: every seed, and known lines beside those left out."""

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
    conditions_like,
    titles_of,
    values_of,
)
from services.pipelines.study.figures.rows import (
    columns_of,
    draw_far_out,
    handle_of,
    label_rows,
    reach_of,
    rows_of,
)
from services.pipelines.study.figures.style import (
    NEUTRAL,
    REFERENCE,
    WORSE,
    canvas,
    colour_of,
    finish,
    legend_below,
    wrapped,
)

SCORED: Final = ("f1", "average_precision")
MAX_PANELS: Final = 4
_KNOWN_AND_NOT = ("test", "left_out")
_LEAST_REACH = 0.04
_MARGIN = 1.12  # room for arrows


def dots(results: Results, condition: str, split: str, unit: str = "crops") -> Figure | None:
    """Draw F1 and average precision of every seed as dots, their mean as a bar; None without runs."""
    scores = {metric: _scores_of(results, condition, split, unit, metric) for metric in SCORED}
    arms = {arm for found in scores.values() for arm in found}
    if not arms:
        return None
    rows = rows_of(results, arms)
    figure = canvas(rows.height)
    reference = results["study"]["reference"]
    for axes, (metric, found) in zip(columns_of(figure, len(SCORED)), scores.items(), strict=True):
        title = METRIC_TITLES[metric]
        finish(axes, f"{title}, {SPLIT_TITLES[split]}", grid="x", xlabel=f"{title}, {UNIT_TITLES[unit]}")
        _frame(axes, found)
        if reference in found:
            axes.axvline(float(np.mean(found[reference])), color=REFERENCE, linewidth=0.9, linestyle=":")
        for arm, values in found.items():
            _draw_scores(axes, values, rows.places[arm], _arm_colour(results, arm))
    label_rows(figure, rows, results)
    handles = [
        handle_of("|", REFERENCE, "mean of the seeds", 9),
        handle_of("o", NEUTRAL, "a seed"),
        Line2D([], [], color=REFERENCE, linestyle=":", label=f"mean of “{titles_of(results)[reference]}”"),
    ]
    legend_below(figure, handles, 3)
    return figure


def left_out(results: Results, unit: str = "crops") -> Figure | None:
    """Draw the same arms on the known test set and on the lines that were kept out of training.

    With one such condition both metrics are drawn, with more of them F1 alone, a panel for each of the
    first four. None where nothing was left out.
    """
    scored = {run["condition"] for run in results["runs"] if run.get("left_out")}
    conditions = [one for one in conditions_like(results, "without-") if one["name"] in scored][:MAX_PANELS]
    if not conditions:
        return None
    metrics = SCORED if len(conditions) == 1 else SCORED[:1]
    panels = [(condition, metric) for condition in conditions for metric in metrics]
    names = {condition["name"] for condition in conditions}
    rows = rows_of(results, (run["arm"] for run in results["runs"] if run["condition"] in names))
    figure = canvas(rows.height)
    for axes, (condition, metric) in zip(columns_of(figure, len(panels)), panels, strict=True):
        for arm, place in rows.places.items():
            pair = [
                values_of(results, condition["name"], arm, (split, unit, metric)) for split in _KNOWN_AND_NOT
            ]
            _draw_pair(axes, pair, place)
        label = f"{METRIC_TITLES[metric]},\n{UNIT_TITLES[unit]}"
        finish(axes, wrapped(condition["title"], len(panels)), grid="x", xlabel=label)
    label_rows(figure, rows, results)
    handles = [
        handle_of("o", REFERENCE, "test, known lines"),
        handle_of("o", WORSE, "lines left out", hollow=True),
        handle_of("o", NEUTRAL, "small: a seed", 3),
    ]
    legend_below(figure, handles, 3)
    return figure


def _scores_of(
    results: Results, condition: str, split: str, unit: str, metric: str
) -> dict[str, list[float]]:
    """Arm to its seeds' values, without arms that have none."""
    found = {arm: values_of(results, condition, arm, (split, unit, metric)) for arm in titles_of(results)}
    return {arm: values for arm, values in found.items() if values}


def _frame(axes: Axes, scores: Mapping[str, Sequence[float]]) -> None:
    """Set limits around the usual scores, within what a score can be."""
    if not scores:
        return
    middle = float(np.median([np.mean(values) for values in scores.values()]))
    farthest = (max(abs(value - middle) for value in values) for values in scores.values())
    reach = reach_of(farthest, _LEAST_REACH) * _MARGIN
    axes.set_xlim(max(middle - reach, -0.02), min(middle + reach, 1.02))


def _arm_colour(results: Results, name: str) -> str:
    """Return the colour of the generator whose crops an arm adds, the first where there are two."""
    arm = next(one for one in results["arms"] if one["name"] == name)
    return colour_of(arm["synthetic"][0] if arm["synthetic"] else "real")


def _draw_scores(axes: Axes, values: Sequence[float], place: float, colour: str) -> None:
    """Draw one arm's row, or an arrow where its mean lies beyond the panel."""
    mean = float(np.mean(values))
    low, high = axes.get_xlim()
    if not low <= mean <= high:
        draw_far_out(axes, place, f"{mean:.2f}", right=mean > high, colour=colour)
        return
    axes.plot(values, [place] * len(values), "o", color=colour, markersize=4, alpha=0.5, markeredgewidth=0)
    axes.plot([mean, mean], [place - 0.36, place + 0.36], color=colour, linewidth=2.2)


def _draw_pair(axes: Axes, scores: Sequence[Sequence[float]], place: float) -> None:
    """Draw known and left-out means and the line between them, seeds as small dots."""
    looks = ((REFERENCE, REFERENCE), (WORSE, "white"))
    means = [float(np.mean(values)) for values in scores if values]
    axes.plot(means, [place] * len(means), color=NEUTRAL, linewidth=1.0, zorder=1)
    for values, (colour, face) in zip(scores, looks, strict=True):
        if values:
            axes.plot(values, [place] * len(values), "o", color=colour, markersize=2.5, alpha=0.5, zorder=2)
            look: dict[str, Any] = {"color": colour, "markerfacecolor": face, "markersize": 5.5, "zorder": 3}
            axes.plot(np.mean(values), place, "o", **look)
