"""What studies on simulated data came to, as a table and as a picture."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from benchmarks.study.markdown import rows_of
from services.pipelines.study.figures.style import (
    LINE_COLOURS,
    MARKERS,
    TITLE_PT,
    canvas,
    finish,
    legend_below,
    plain_ticks,
    png_of,
)
from services.pipelines.study.report.reading import difference, plural, spread

TITLE = "Simulated crops, not real ones: test figures per crop"
SHOWN = {"f1": "F1", "average_precision": "average precision"}
_APART = 1.035  # factor between neighbouring arms at the same number of aberrations


def markdown(document: dict[str, Any]) -> str:
    """Write a table for each difficulty."""
    parts = [f"**{document['note']}** Test split, per crop, at the simulated ratio; mean ± std over seeds."]
    for preset, found in document["difficulties"].items():
        parts += [f"### Simulated, {preset}", _told(found)]
        parts.append(rows_of(_head(found), [_row(found, row) for row in found["rows"]]))
    return "\n\n".join(parts) + "\n"


def draw(document: dict[str, Any]) -> bytes:
    """Draw F1 and average precision over the training aberrations, a column for each difficulty.

    Lines join means, small dots are seeds.

    Returns
    -------
    PNG
    """
    difficulties = document["difficulties"]
    titles = {arm: title for found in difficulties.values() for arm, title in found["titles"].items()}
    figure = canvas(5.4)
    figure.suptitle(TITLE, fontsize=TITLE_PT, fontweight="bold")
    grid = figure.subplots(len(SHOWN), len(difficulties), sharex=True, sharey=True, squeeze=False)
    for column, (preset, found) in enumerate(difficulties.items()):
        for row, (metric, name) in enumerate(SHOWN.items()):
            axes = grid[row][column]
            _draw_lines(axes, found, metric, list(titles))
            finish(axes, f"simulated, {preset}" if row == 0 else None, ylabel=name if column == 0 else "")
        finish(grid[-1][column], xlabel="training aberrations (crops)")
    handles = [Line2D([], [], **_look(place), label=title) for place, title in enumerate(titles.values())]
    legend_below(figure, handles, 2)
    return png_of(figure)


def _told(found: dict[str, Any]) -> str:
    test, settings = found["test"], found["settings"]
    seeds = plural(settings["num_seeds"], "seed")
    return (
        f"Data set `{found['dataset']}`: {test['normal']} normals and {test['aberration']} aberrations on "
        f"{len(test['groups'])} test slides. {seeds}, {settings['steps']} steps, "
        f"{settings['canvas_px']} px."
    )


def _draw_lines(axes: Axes, found: dict[str, Any], metric: str, arms: list[str]) -> None:
    for place, arm in enumerate(arms):
        mine = [row for row in found["rows"] if row["arm"] == arm]
        # Arms stand a little apart, so that none hides another.
        at = [row["aberrations"] * _APART ** (place - (len(arms) - 1) / 2) for row in mine]
        means = [row["metrics"][metric]["mean"] for row in mine]
        axes.plot(at, means, **_look(place))
        for x, row in zip(at, mine, strict=True):
            values = [value for value in row["of_seeds"][metric] if value is not None]
            seeds = _look(place) | {"marker": ".", "markersize": 3, "linestyle": "", "alpha": 0.6}
            axes.plot([x] * len(values), values, **seeds)
    axes.set_xscale("log")
    axes.set_ylim(0, 1.02)
    plain_ticks(axes, sorted({row["aberrations"] for row in found["rows"]}))


def _look(place: int) -> dict[str, Any]:
    colour, marker = LINE_COLOURS[place % len(LINE_COLOURS)], MARKERS[place % len(MARKERS)]
    return {"color": colour, "marker": marker, "markersize": 4}


def _head(found: dict[str, Any]) -> list[str]:
    against = found["titles"][found["reference"]]
    return [
        *("Trained on", "Training aberrations", "Precision", "Recall", "F1", "Average precision"),
        *(f"F1 against “{against}”", "Average precision against it"),
    ]


def _row(found: dict[str, Any], row: dict[str, Any]) -> list[str]:
    figures = row["metrics"]
    return [
        found["titles"][row["arm"]],
        f"{row['aberrations']:,}",
        *(spread(figures.get(name)) for name in ("precision", "recall", "f1", "average_precision")),
        *(difference(row["differences"].get(name)) for name in SHOWN),
    ]
