"""The forest plot of a study: what each arm gains over the reference, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from services.pipelines.study.figures.data import (
    METRIC_TITLES,
    UNIT_TITLES,
    Results,
    compared,
    range_of,
    titles_of,
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
    BETTER,
    NEUTRAL,
    REFERENCE,
    TITLE_PT,
    WORSE,
    canvas,
    finish,
    legend_below,
    wrapped,
)

MAX_PANELS: Final = 4
_BOTH, _SEEDS = ("both", "over_slides"), ("over_seeds",)
_LEAST_REACH = 0.02
_MARGIN = 1.12  # room for arrows


class Panel(NamedTuple):
    """What one panel of a forest plot shows."""

    condition: str
    split: str
    unit: str
    metric: str
    title: str


def forest(results: Results, panels: Sequence[Panel]) -> Figure | None:
    """Draw each arm's paired difference to the reference, with 95 % intervals, arms in groups.

    Thick lines are intervals over slides and seeds, thin ones over seeds; colour says where the thick one
    (or the thin one where there is no other) leaves 0 out.

    Parameters
    ----------
    panels
        Side by side; those without any comparison are left out, and what comes after the fourth.

    Returns
    -------
    Figure or None
        None where no arm can be compared.
    """
    found = [(panel, compared(results, *panel[:4])) for panel in panels]
    shown = [(panel, one) for panel, one in found if one][:MAX_PANELS]
    if not shown:
        return None
    reference = titles_of(results)[results["study"]["reference"]]
    rows = rows_of(results, (arm for _, one in shown for arm in one))
    figure = canvas(rows.height + 0.2)
    for axes, (panel, comparisons) in zip(columns_of(figure, len(shown)), shown, strict=True):
        reach = reach_of(map(_extent_of, comparisons.values()), _LEAST_REACH) * _MARGIN
        label = f"difference in {METRIC_TITLES[panel.metric]},\n{UNIT_TITLES[panel.unit]}"
        finish(axes, wrapped(panel.title, len(shown)), grid="x", xlabel=label, xlim=(-reach, reach))
        axes.axvline(0, color=REFERENCE, linewidth=0.9)
        for arm, comparison in comparisons.items():
            _draw_difference(axes, comparison, rows.places[arm], reach)
    label_rows(figure, rows, results)
    figure.suptitle(
        f"Difference to “{reference}”: right of the line is better", fontsize=TITLE_PT, parse_math=False
    )
    legend_below(figure, _handles([one for _, found in shown for one in found.values()]), 2)
    return figure


def _extent_of(comparison: Mapping[str, Any]) -> float:
    """How far from 0 a row is drawn."""
    middle = float(comparison["difference"])
    return max(map(abs, range_of(comparison, (*_BOTH, *_SEEDS)) or (middle,)))


def _draw_difference(axes: Axes, comparison: Mapping[str, Any], place: float, reach: float) -> None:
    """Draw one arm's row, or an arrow where it lies beyond the panel."""
    middle = float(comparison["difference"])
    thin, thick = range_of(comparison, _SEEDS), range_of(comparison, _BOTH)
    judged = thick or thin
    colour = NEUTRAL
    if judged is not None and (judged[0] > 0 or judged[1] < 0):
        colour = BETTER if middle > 0 else WORSE
    for ends, width in ((thin, 0.9), (thick, 3.2)):
        if ends is not None:
            axes.plot(ends, (place, place), color=colour, linewidth=width, solid_capstyle="butt")
    if abs(middle) > reach:
        draw_far_out(axes, place, f"{middle:+.2f}", right=middle > 0, colour=colour)
        return
    face = "white" if judged is None else colour
    axes.plot(middle, place, "o", color=colour, markerfacecolor=face, markersize=5, markeredgewidth=1)


def _handles(comparisons: Sequence[Mapping[str, Any]]) -> list[Line2D]:
    """Return the legend of what is drawn; which units the thick interval draws depends on the data."""
    handles = []
    if any(range_of(one, _BOTH) for one in comparisons):
        whole = all(one["resampled"] == "group" for one in comparisons)
        drawn = "slides" if whole else "chromosomes of each slide"
        seeds = " and seeds" if any(range_of(one, _BOTH[:1]) for one in comparisons) else ""
        handles.append(Line2D([], [], color=NEUTRAL, linewidth=3.2, label=f"95 % over {drawn}{seeds}"))
    if any(range_of(one, _SEEDS) for one in comparisons):
        handles.append(Line2D([], [], color=NEUTRAL, linewidth=0.9, label="95 % over seeds"))
    if handles:
        handles.append(handle_of("o", BETTER, "better: the interval lies right of 0"))
        handles.append(handle_of("o", WORSE, "worse: the interval lies left of 0"))
    return handles
