"""Pictures of a quality report: figure 5 of the paper, spread, grey levels, and the crops themselves."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import gaussian_kde

from models.quality.diversity import PAIRS, POSITION_EDGES, Diversity
from models.quality.histograms import CHANNELS, LEVELS
from services.pipelines.classifier_pictures import COLOURS, DARK, LIGHT

REAL_COLOUR = "#3a3a3a"
MAX_STRIPS = 24
_DPI = 100
_TILE_PX = 128
_GAP_PX = 4
_BETWEEN_PX = 20
_CAPTION_PX = 36
_TITLE_PX = 44
_HEADER_PX = 24
_WIDTH_PX = 1280
_POINTS = 400
_BIN = 8  # grey levels drawn as one


def ssim_png(values: Mapping[str, NDArray[np.float64]], real: NDArray[np.float64] | None = None) -> bytes:
    """Draw the maximum SSIM of each synthetic crop: its density, and each of them (figure 5).

    Parameters
    ----------
    values
        One set for each generator, by its name; NaN is left out.
    real
        Of each real crop and the *other* real ones, drawn in grey as the yardstick.
    """
    figure = Figure(figsize=(11.0, 4.2), dpi=_DPI, layout="constrained")
    density, scatter = figure.subplots(1, 2, width_ratios=(1, 1.3))
    sets = {} if real is None else {"real, against the others": real}
    known = {name: found[np.isfinite(found)] for name, found in (*sets.items(), *values.items())}
    colours = _colours_of(known, first_is_real=real is not None)
    low = min((float(found.min()) for found in known.values() if found.size), default=0.0)
    grid = np.linspace(max(low - 0.05, -1.0), 1.0, _POINTS)
    for name, found in known.items():
        _draw_density(density, grid, found, name, colours[name])
        # Every set over the same width, so that one of few crops is not squeezed into a corner.
        places = (np.arange(found.size) + 0.5) / max(found.size, 1)
        scatter.scatter(places, found, s=7, alpha=0.55, color=colours[name], linewidths=0)
    density.set(xlabel="maximum SSIM over the real crops", ylabel="density", xlim=(grid[0], 1.0))
    density.set_ylim(0, density.get_ylim()[1] * (1.1 + 0.08 * len(known)))  # room for the legend
    scatter.set(xlabel="crops, side by side", ylabel="maximum SSIM", xlim=(0, 1), xticks=[])
    for axes in (density, scatter):
        axes.grid(visible=True, alpha=0.25)
    density.legend(fontsize=8, loc="upper left")
    return _png(figure)


def histograms_png(shares: Mapping[str, NDArray[np.float64]]) -> bytes:
    """Draw how often each grey level comes inside the chromosomes.

    Parameters
    ----------
    shares
        (3, 256) for each set by its name; the first one is the real set and is drawn filled.
    """
    figure = Figure(figsize=(11.0, 3.4), dpi=_DPI, layout="constrained")
    colours = _colours_of(shares, first_is_real=True)
    edges = np.arange(0, LEVELS + 1, _BIN)
    for channel, axes in enumerate(figure.subplots(1, len(CHANNELS), sharey=True)):
        for index, (name, found) in enumerate(shares.items()):
            heights = found[channel].reshape(-1, _BIN).sum(axis=1)
            axes.stairs(
                heights,
                edges,
                color=colours[name],
                fill=index == 0,
                alpha=0.35 if index == 0 else 1.0,
                label=name,
            )
        axes.set(title=CHANNELS[channel], xlabel="grey level", xlim=(0, LEVELS))
        axes.grid(visible=True, alpha=0.25)
        if channel == 0:
            axes.set_ylabel(f"share of the pixels, by {_BIN} levels")
            axes.legend(fontsize=8)
    return _png(figure)


def diversity_png(sets: Mapping[str, Diversity]) -> bytes:
    """Draw which colours meet, and where. The first set is the real one."""
    figure = Figure(figsize=(11.0, 4.0), dpi=_DPI, layout="constrained")
    pairs, places = figure.subplots(1, 2, width_ratios=(1.4, 1))
    colours = _colours_of(sets, first_is_real=True)
    width = 0.8 / max(len(sets), 1)
    labels = (*PAIRS, "one colour")
    middles = (np.array(POSITION_EDGES[:-1]) + np.array(POSITION_EDGES[1:])) / 2
    step = POSITION_EDGES[1] - POSITION_EDGES[0]
    for index, (name, found) in enumerate(sets.items()):
        counts = np.array([*found.pairs, sum(found.uniform)], np.float64)
        shift = (index - (len(sets) - 1) / 2) * width
        pairs.bar(
            np.arange(len(labels)) + shift,
            counts / max(counts.sum(), 1),
            width,
            color=colours[name],
            label=name,
        )
        shares = found.positions / max(found.positions.sum(), 1)
        places.bar(middles + shift * step, shares, width * step, color=colours[name])
    pairs.set_xticks(range(len(labels)), [label.replace(" + ", "\n") for label in labels], fontsize=8)
    pairs.set_ylabel("share of the crops")
    pairs.legend(fontsize=8)
    places.set(
        xlabel="junction: share of the length that the shorter side takes", ylabel="share of the junctions"
    )
    for axes in (pairs, places):
        axes.grid(visible=True, axis="y", alpha=0.25)
        axes.set_axisbelow(True)
    return _png(figure)


def strips_png(columns: Mapping[str, NDArray[np.uint8]], captions: Sequence[str], title: str) -> bytes:
    """Draw crops beside what they came from or resemble, on a dark ground, without smoothing.

    Parameters
    ----------
    columns
        (N, 3, S, S) uint8 by what they are, as red, green, blue; the first 24 are drawn. Without any the
        title stands alone.
    captions : (N,)
        Up to two lines each.

    Raises
    ------
    ValueError
        If there are not as many captions as crops.
    """
    counts = {len(canvases) for canvases in columns.values()}
    if counts != {len(captions)}:
        raise ValueError(f"{len(captions)} captions cannot be written below {sorted(counts)} crops.")
    side = next(iter(columns.values())).shape[-1]
    factor = max(1, _TILE_PX // side)
    tile = side * factor
    strip = len(columns) * (tile + _GAP_PX) + _BETWEEN_PX
    across = max(1, (_WIDTH_PX - _BETWEEN_PX) // strip)
    shown = min(len(captions), MAX_STRIPS)
    down = -(-shown // across)
    top = _TITLE_PX + (_HEADER_PX if shown else 0)
    width, height = across * strip + _BETWEEN_PX, top + down * (tile + _CAPTION_PX) + _GAP_PX
    ground = np.full((height, width, 3), [int(DARK[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for index in range(shown):
        y = top + (index // across) * (tile + _CAPTION_PX)
        left = _BETWEEN_PX + (index % across) * strip
        for place, (name, canvases) in enumerate(columns.items()):
            x = left + place * (tile + _GAP_PX)
            picture = canvases[index].transpose(1, 2, 0).repeat(factor, axis=0).repeat(factor, axis=1)
            ground[y : y + tile, x : x + tile] = picture
            if index < across:
                _text(axes, x + 2, y - _HEADER_PX + 4, name, size=8)
        _text(axes, left + 2, y + tile + 3, captions[index], size=8)
    axes.imshow(ground, interpolation="none")
    _text(axes, _BETWEEN_PX, 12, title, size=12)
    return _png(figure)


def _draw_density(
    axes: Axes, grid: NDArray[np.float64], found: NDArray[np.float64], name: str, colour: str
) -> None:
    """Draw a smooth density; one value, however often it comes, has none and is drawn as a line."""
    label = (
        f"{name} ({found.size})"
        if found.size == 0
        else f"{name}: median {np.median(found):.3f} ({found.size})"
    )
    if np.unique(found).size > 1:
        heights = gaussian_kde(found)(grid)
        axes.plot(grid, heights, color=colour, linewidth=1.5, label=label)
        axes.fill_between(grid, heights, color=colour, alpha=0.12)
    elif found.size:
        axes.axvline(found[0], color=colour, linewidth=1.5, label=label)
    else:
        axes.plot([], [], color=colour, label=label)


def _colours_of(sets: Mapping[str, object], *, first_is_real: bool) -> dict[str, str]:
    """One colour for each generator, grey for what is real."""
    palette = [REAL_COLOUR] if first_is_real else []
    palette += [COLOURS[index % len(COLOURS)] for index in range(len(sets))]
    return dict(zip(sets, palette, strict=False))


def _text(axes: Axes, x: float, y: float, text: str, *, size: int) -> None:
    """Write below and right of a point; a caption is no formula, whatever dollar signs it holds."""
    axes.text(x, y, text, color=LIGHT, fontsize=size, va="top", ha="left", parse_math=False)


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
