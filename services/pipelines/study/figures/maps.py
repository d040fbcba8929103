"""Figures 5 and 6 of a study: how like real crops synthetic ones are, and where a filter's map has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.stats import gaussian_kde

from services.pipelines.filter_map_data import View, contours_of
from services.pipelines.filter_pictures import ABERRATION, INK, KEPT, NORMAL, REJECTED
from services.pipelines.study.figures.pictures import REAL_VALIDATION, Floats, Map, StudyPictures
from services.pipelines.study.figures.style import (
    METHOD_COLOURS,
    SMALL_PT,
    WIDTH_IN,
    canvas,
    colour_of,
    finish,
    legend_below,
    method_title,
)

_GRID_POINTS = 400
_MARGIN = 0.05
_MAX_DOTS: Final = 3_000  # more are a blot, and weigh down the report
_SHOWN: Final = ("bbdm", "painted")
_LINE_WIDTHS: Final = {0.5: 1.1, 0.75: 0.8, 0.95: 0.6}
_OUTER = 0.75  # over candidates: inner lines would hide them
_FEW = 1_500
_ASPECT = (0.75, 1.6)  # of a panel, whatever the map's own
_AXIS_IN, _TITLE_IN, _LEGEND_IN = 0.45, 0.32, 0.6


def max_ssim(pictures: StudyPictures) -> Figure | None:
    """Draw each crop's highest SSIM with a real training aberration: its density, and crop by crop.

    Real validation aberrations are the yardstick: no higher than theirs is no copy. None without any value.
    """
    order = (REAL_VALIDATION, *METHOD_COLOURS)
    sets = {name: pictures.max_ssim[name] for name in order if name in pictures.max_ssim}
    known = {name: np.asarray(one, np.float64)[np.isfinite(one)] for name, one in sets.items()}
    known = {name: one for name, one in known.items() if one.size}
    if not known:
        return None
    low = max(min(float(one.min()) for one in known.values()) - 0.05, -1.0)
    figure = canvas(3.5)
    density, scatter = figure.subplots(1, 2)
    grid = np.linspace(low, 1.0, _GRID_POINTS)
    for name, values in known.items():
        _draw_density(density, grid, values, colour_of(name))
        shown = values[:_MAX_DOTS]
        # Every set over the same width, so that one of few crops is not squeezed into a corner.
        places = (np.arange(shown.size) + 0.5) / shown.size
        scatter.scatter(places, shown, s=7, alpha=0.5, color=colour_of(name), linewidths=0)
    finish(density, "density", xlabel="maximum SSIM", ylabel="density", xlim=(low, 1.0))
    density.set_ylim(bottom=0)
    finish(
        scatter, "crop by crop", xlabel="crops, side by side", ylabel="maximum SSIM", xlim=(0, 1), xticks=[]
    )
    handles = [
        Line2D([], [], color=colour_of(name), marker="o", markersize=4, label=_label_of(name, values))
        for name, values in known.items()
    ]
    legend_below(figure, handles, 2)
    return figure


def umap_maps(pictures: StudyPictures) -> Figure | None:
    """Draw the filter's map: all real crops, aberrations alone, and what BBDM and the painter made.

    Lines enclose the densest 50, 75 and 95 % of a group; the ellipse is the filter at its level. None
    where there is no map.
    """
    shown = pictures.map
    if shown is None or not len(shown.train):
        return None
    methods = [one for one in _SHOWN if len(shown.candidates.get(one, ()))]
    count = 2 + len(methods)
    columns = min(count, 3) if count != 4 else 2  # noqa: PLR2004  # four are two and two
    rows = -(-count // columns)
    view = _view_of(shown, methods)
    figure = canvas(rows * _panel_height(view, columns) + _LEGEND_IN)
    panels = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel())
    aberrations = shown.train[shown.labels == 1]
    _draw_group(panels[0], shown.train[shown.labels == 0], view, NORMAL)
    _draw_group(panels[0], aberrations, view, ABERRATION)
    _draw_group(panels[1], aberrations, view, ABERRATION)
    titles = ["all real training crops", f"aberrations alone ({len(aberrations):,})"]
    for axes, method in zip(panels[2:], methods, strict=False):
        titles.append(_draw_candidates(axes, shown, method, view))
        _draw_contours(axes, aberrations, view, ABERRATION, least=_OUTER)
    for index, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        if shown.contour is not None:
            for colour, width in (("white", 3.2), (INK, 1.4)):  # a pale rim keeps it apart from points
                axes.plot(*shown.contour.T, color=colour, linewidth=width, zorder=5)
        finish(
            axes, title, xlim=(view.x0, view.x1), ylim=(view.y0, view.y1), aspect="equal", adjustable="box"
        )
        axes.set_xlabel("UMAP 1" if index >= count - columns else "", fontsize=SMALL_PT)
        axes.set_ylabel("UMAP 2" if index % columns == 0 else "", fontsize=SMALL_PT)
    legend_below(figure, _map_handles(shown, candidates=bool(methods)), 3)
    return figure


def _label_of(name: str, values: NDArray[np.float64]) -> str:
    return f"{method_title(name)}: median {np.median(values):.2f} ({values.size:,})"


def _draw_density(axes: Axes, grid: Floats, values: NDArray[np.float64], colour: str) -> None:
    """Draw a smooth density; one value, however often it comes, has none and is drawn as a line."""
    if np.unique(values).size == 1:
        axes.axvline(values[0], color=colour, linewidth=1.4)
        return
    heights = gaussian_kde(values)(grid)
    axes.plot(grid, heights, color=colour, linewidth=1.4)
    axes.fill_between(grid, heights, color=colour, alpha=0.1)


def _view_of(shown: Map, methods: Iterable[str]) -> View:
    """Return the smallest view with every crop and the ellipse, and a margin."""
    points = [shown.train, *(shown.candidates[one] for one in methods)]
    if shown.contour is not None:
        points.append(shown.contour)  # type: ignore[arg-type]
    every = np.concatenate(points).astype(np.float64)
    low, high = every.min(axis=0), every.max(axis=0)
    margin = np.maximum((high - low) * _MARGIN, 1e-3)
    (x0, y0), (x1, y1) = (low - margin).tolist(), (high + margin).tolist()
    return View(x0, y0, x1, y1)


def _panel_height(view: View, columns: int) -> float:
    """Inches that a panel needs for equal units on both axes, with its title."""
    low, high = _ASPECT
    aspect = min(max((view.x1 - view.x0) / (view.y1 - view.y0), low), high)
    return (WIDTH_IN / columns - _AXIS_IN) / aspect + _TITLE_IN


def _draw_candidates(axes: Axes, shown: Map, method: str, view: View) -> str:
    """Draw what a generator made, by verdict where there is one, and return the panel's title."""
    places, kept = shown.candidates[method], shown.kept.get(method)
    name = method_title(method)
    if kept is None:
        _draw_group(axes, places, view, colour_of(method))
        return f"{name} ({len(places):,})"
    _dots(axes, places[~kept], REJECTED)
    _dots(axes, places[kept], KEPT)
    return f"{name}: {np.count_nonzero(kept):,} of {len(places):,} kept"


def _draw_group(axes: Axes, places: NDArray[np.float32], view: View, colour: str) -> None:
    _dots(axes, places, colour)
    _draw_contours(axes, places, view, colour)


def _dots(axes: Axes, places: NDArray[np.float32], colour: str) -> None:
    size, opacity = (7, 0.5) if len(places) <= _FEW else (3, 0.25)
    x, y = places.T
    axes.scatter(x, y, s=size, alpha=opacity, color=colour, linewidths=0)


def _draw_contours(
    axes: Axes, places: NDArray[np.float32], view: View, colour: str, least: float = 0.0
) -> None:
    """Draw the lines that enclose at least such a share."""
    for contour in contours_of(places, view):
        if contour.share < least:
            continue
        width = _LINE_WIDTHS[contour.share]
        axes.plot(*contour.points.T, color="white", linewidth=width + 0.8, alpha=0.5)
        axes.plot(*contour.points.T, color=colour, linewidth=width)


def _map_handles(shown: Map, *, candidates: bool) -> list[Line2D]:
    groups = {"real, normal": NORMAL, "real, aberration": ABERRATION}
    if candidates and shown.kept:
        groups |= {"synthetic, kept": KEPT, "synthetic, rejected": REJECTED}
    handles = [
        Line2D([], [], color=colour, marker="o", linestyle="", markersize=4, label=name)
        for name, colour in groups.items()
    ]
    if shown.contour is not None:
        handles.append(Line2D([], [], color=INK, linewidth=1.4, label="the filter at its level"))
    return handles
