"""The map of a filter as one picture: figure 6 of the paper."""

from __future__ import annotations

import io
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from models.filtering.mixture import Mixture
from services.pipelines.filter_map_data import MapData, Series, View, contours_of, view_of

# Told apart by colour-blind eyes too; the page's style sheet has the same ones.
NORMAL, ABERRATION, KEPT, REJECTED = "#868e98", "#d55e00", "#0072b2", "#b0559a"
INK: Final = "#1b1f24"

_DPI = 110
_HEIGHT_IN = 4.6
_AROUND_IN = 1.5  # title and legend
_MIN_WIDTH_IN = 8.0
_ASPECT = (0.8, 1.6)
_LINE_WIDTHS = MappingProxyType({0.5: 1.6, 0.75: 1.1, 0.95: 0.7})
_POINTS = ((1_500, 10, 0.7), (10_000, 5, 0.4))  # up to so many: area in square points, opacity
_MOST = (2.5, 0.25)
_RAMP = "cividis"


def plot(data: MapData) -> bytes:
    """Draw the real crops and the mixture as PNG; with candidates also these, before and after filtering.

    Candidates are coloured by verdict where the filter is an ellipse, and else by the level they need.
    """
    view = view_of(data)
    candidates = [one for one in data.series if one.kind == "candidate" and len(one)]
    panels = 3 if candidates else 1
    low, high = _ASPECT
    width = min(max((view.x1 - view.x0) / (view.y1 - view.y0), low), high) * _HEIGHT_IN
    figure = Figure((max(panels * width, _MIN_WIDTH_IN), _HEIGHT_IN + _AROUND_IN), _DPI, layout="constrained")
    axes = list(figure.subplots(1, panels, squeeze=False, sharex=True, sharey=True)[0])
    handles = _draw_real(axes[0], data.series, view)
    axes[0].set_title("real crops", fontsize=11)
    if candidates:
        handles += _draw_candidates(axes[1:], data, candidates, view)
        if data.mixture is None:
            ramp = ScalarMappable(Normalize(0.0, 1.0), _RAMP)
            figure.colorbar(ramp, ax=axes, label="level needed", shrink=0.8, pad=0.01)
    if data.mixture is not None:
        for one in axes:
            _draw_mixture(one, data.mixture, data.level)
        handles += _handles_of(data.mixture, data.level)
    for one in axes:
        one.set(xlim=(view.x0, view.x1), ylim=(view.y0, view.y1), aspect="equal", xlabel="UMAP 1")
        one.tick_params(labelsize=8)
        one.grid(visible=True, alpha=0.2)
        one.set_axisbelow(True)
    axes[0].set_ylabel("UMAP 2")
    figure.suptitle(f"{data.title}\n{_gates(data)}", fontsize=11, parse_math=False)
    columns = min(len(handles), 5 if panels > 1 else 3)
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=9)
    for text in legend.get_texts():
        text.set_parse_math(False)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _draw_real(axes: Axes, series: Sequence[Series], view: View, *, points: bool = True) -> list[Artist]:
    """Draw normal crops below aberrations, with their contours or with these alone."""
    handles: list[Artist] = []
    for kind, colour in (("normal", NORMAL), ("aberration", ABERRATION)):
        chosen = [one for one in series if one.kind == kind and len(one)]
        if not chosen:
            continue
        places = np.concatenate([one.scores.coordinates for one in chosen])
        if points:
            _scatter(axes, places, colour)
        _draw_contours(axes, places, view, colour)
        handles.append(_dot(f"real, {kind} ({len(places):,})", colour))
    return handles


def _draw_candidates(
    axes: Sequence[Axes], data: MapData, candidates: Sequence[Series], view: View
) -> list[Artist]:
    """Draw the candidates over the contours of real crops: before filtering, and what it leaves."""
    places = np.concatenate([one.scores.coordinates for one in candidates])
    needed = np.concatenate([one.scores.needed_level for one in candidates])
    kept = np.concatenate([one.scores.kept(data.level, data.max_percentile) for one in candidates])
    everything = np.ones(len(kept), np.bool_)
    titles = (f"before: {len(kept):,} candidates", f"after: {np.count_nonzero(kept):,} kept")
    for panel, chosen, title in zip(axes, (everything, kept), titles, strict=True):
        if data.mixture is None:
            _scatter(panel, places[chosen], needed[chosen])
        else:
            _scatter(panel, places[chosen & ~kept], REJECTED)
            _scatter(panel, places[chosen & kept], KEPT)
        _draw_real(panel, data.series, view, points=False)
        _draw_contours(panel, places[chosen], view, KEPT)
        panel.set_title(title, fontsize=11)
    if data.mixture is None:
        return [Line2D([], [], color=KEPT, label="density of the candidates")]
    num_kept = int(np.count_nonzero(kept))
    return [
        _dot(f"candidate, kept ({num_kept:,})", KEPT),
        _dot(f"candidate, rejected ({len(kept) - num_kept:,})", REJECTED),
    ]


def _draw_mixture(axes: Axes, mixture: Mixture, level: float) -> None:
    """Draw every component's ellipse at the level; the dominant one, which is the filter, solid."""
    for component in range(len(mixture)):
        rules = component == mixture.dominant
        # A pale rim keeps the line apart from the points below it.
        for colour, extra in (("white", 2.0), (INK, 0.0)):
            axes.plot(
                *mixture.outline(level, component).T,
                color=colour,
                linewidth=(2.2 if rules else 1.0) + extra,
                linestyle="-" if rules else (0, (4, 3)),
                zorder=5,
            )
        axes.plot(*mixture.means[component], "+", color=INK, markersize=9 if rules else 6, zorder=6)


def _handles_of(mixture: Mixture, level: float) -> list[Artist]:
    handles: list[Artist] = [
        Line2D([], [], color=INK, linewidth=2.2, label=f"the filter: ellipse at level {level:.4g}")
    ]
    if len(mixture) > 1:
        handles.append(Line2D([], [], color=INK, linewidth=1.0, linestyle="--", label="other components"))
    return handles


def _draw_contours(axes: Axes, places: NDArray[np.float32], view: View, colour: str) -> None:
    for contour in contours_of(places, view):
        axes.plot(*contour.points.T, color="white", linewidth=_LINE_WIDTHS[contour.share] + 1.2, alpha=0.6)
        axes.plot(*contour.points.T, color=colour, linewidth=_LINE_WIDTHS[contour.share])


def _scatter(axes: Axes, places: NDArray[np.float32], colours: str | NDArray[np.float64]) -> None:
    """Draw points of one colour, or each of its own number between 0 and 1."""
    size, opacity = next((look for count, *look in _POINTS if len(places) <= count), _MOST)
    x, y = places.T
    if isinstance(colours, str):
        axes.scatter(x, y, s=size, alpha=opacity, linewidths=0, color=colours)
    else:
        axes.scatter(x, y, s=size, alpha=opacity, linewidths=0, c=colours, cmap=_RAMP, vmin=0.0, vmax=1.0)


def _dot(label: str, colour: str) -> Artist:
    return Line2D([], [], color=colour, marker="o", linestyle="-", linewidth=1.2, markersize=6, label=label)


def _gates(data: MapData) -> str:
    gate = "" if data.max_percentile is None else f", second gate at percentile {data.max_percentile:.4g}"
    return f"level {data.level:.4g}{gate}; lines enclose the densest 50, 75 and 95 % of a group"
