"""Pictures that go into a generator's artifact: its losses, and what it made as it learnt."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.generation.sources import DAPI

COLOURS: Final = ("#2b5fa8", "#d9722b", "#3a8f5c", "#8a4fa3", "#6b6b6b", "#b03a48")
DARK, LIGHT = "#16181c", "#f2f2f2"
_DPI = 100
_TILE_PX = 128
_GAP_PX = 6
_TITLE_PX = 44
_CAPTION_PX = 24
_LABEL_PX = 150
_MIN_WIDTH_PX = 560  # a title fits
_PANELS_A_ROW = 3

# What belongs in one panel, by the names of the records; what is in none of them has one of its own.
_PANELS: Final = MappingProxyType(
    {
        "loss": ("loss",),
        "generators: all, and adversarial": ("loss_generator", "loss_gan_a", "loss_gan_b"),
        "cycle and identity": (*("loss_cycle_a", "loss_cycle_b", "loss_identity_a", "loss_identity_b"),),
        "discriminators": ("loss_discriminator_a", "loss_discriminator_b"),
        "discriminators' mean outputs": (
            *("discriminator_real_b", "discriminator_fake_b"),
            *("discriminator_real_a", "discriminator_fake_a"),
        ),
        "diversity of what is generated": ("generated_diversity",),
        "learning rate": ("learning_rate",),
    }
)
_LOSSES: Final = tuple(_PANELS)[:4]
_DOMAINS: Final = MappingProxyType({"a": "DAPI", "b": "colours", "gan": "adversarial", "fake": "generated"})
_NEVER_DRAWN = ("step",)


def losses_png(
    history: Sequence[Mapping[str, float]],
    validation: Mapping[int, float] | None = None,
    verdict: str | None = None,
) -> bytes:
    """Draw everything that a training recorded over its steps, what belongs together in one panel.

    Parameters
    ----------
    history
        Records with ``step`` and any other numbers.
    validation
        Step to validation loss, drawn as dots beside the training loss.
    verdict
        A sentence over the picture, such as that a discriminator has won.
    """
    panels = _panels_of(history)
    rows = -(-len(panels) // _PANELS_A_ROW)
    columns = min(len(panels), _PANELS_A_ROW)
    figure = Figure(figsize=(max(4.6 * columns, 6.0), 3.4 * rows + 0.4), dpi=_DPI, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (title, names) in zip(grid, panels.items(), strict=False):
        for name, colour in zip(names, COLOURS * (len(names) // len(COLOURS) + 1), strict=False):
            points = [(one["step"], one[name]) for one in history if name in one]
            axes.plot(*np.array(points).T, color=colour, linewidth=1.2, label=_spelt(name))
        if title == "loss" and validation:
            dots = np.array(sorted(validation.items())).T
            axes.plot(*dots, "o", color=COLOURS[1], markersize=4, label="validation")
        _finish(axes, title)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    if verdict:
        figure.suptitle(verdict, fontsize=10, parse_math=False)
    return _png(figure)


def samples_png(rows: Mapping[str, NDArray[np.uint8]], captions: Sequence[str], title: str) -> bytes:
    """Draw rows of canvases below each other on a dark ground, each enlarged by a whole factor.

    Parameters
    ----------
    rows
        Label at the left to (N, 3, S, S) uint8: red, green, blue. At least one row.
    captions : (N,)
        Over the columns.

    Raises
    ------
    ValueError
        A row does not hold one canvas per caption.
    """
    wrong = [label for label, canvases in rows.items() if len(canvases) != len(captions)]
    if wrong:
        raise ValueError(f"The row {wrong[0]!r} does not hold {len(captions)} canvases.")
    factor = max(1, _TILE_PX // next(iter(rows.values())).shape[-1])
    tile = next(iter(rows.values())).shape[-1] * factor
    width = max(_LABEL_PX + len(captions) * (tile + _GAP_PX), _MIN_WIDTH_PX)
    height = _TITLE_PX + _CAPTION_PX + len(rows) * (tile + _GAP_PX)
    ground = np.full((height, width, 3), [int(DARK[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for line, (label, canvases) in enumerate(rows.items()):
        top = _TITLE_PX + _CAPTION_PX + line * (tile + _GAP_PX)
        _text(axes, _GAP_PX, top + tile // 2 - 6, label, size=10)
        for column, canvas in enumerate(canvases):
            left = _LABEL_PX + column * (tile + _GAP_PX)
            picture = canvas.transpose(1, 2, 0).repeat(factor, axis=0).repeat(factor, axis=1)
            ground[top : top + tile, left : left + tile] = picture
    for column, caption in enumerate(captions):
        _text(axes, _LABEL_PX + column * (tile + _GAP_PX), _TITLE_PX, caption, size=9)
    axes.imshow(ground, interpolation="none")
    _text(axes, _GAP_PX, 12, title, size=12)
    return _png(figure)


def grey_dapi(canvases: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return DAPI alone in grey, (N, 3, S, S): what a network is given."""
    return np.repeat(canvases[:, DAPI : DAPI + 1], 3, axis=1)


def _panels_of(history: Sequence[Mapping[str, float]]) -> dict[str, tuple[str, ...]]:
    """Title to names of records, as far as the history has them; at least one panel."""
    names = list(dict.fromkeys(name for one in history for name in one if name not in _NEVER_DRAWN))
    panels = {title: tuple(name for name in wanted if name in names) for title, wanted in _PANELS.items()}
    claimed = {name for wanted in _PANELS.values() for name in wanted}
    panels |= {_spelt(name): (name,) for name in names if name not in claimed}
    return {title: found for title, found in panels.items() if found} or {"loss": ()}


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("step")
    axes.grid(visible=True, alpha=0.25)
    drawn = [value for line in axes.get_lines() for value in np.atleast_1d(line.get_ydata())]
    # Losses fall by factors; what may be nought or negative cannot be drawn on a log scale.
    if title in _LOSSES and drawn and min(drawn) > 0:
        axes.set_yscale("log")
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(fontsize=8)


def _spelt(name: str) -> str:
    """Write a record's name in words; the domains of a CycleGAN are DAPI (a) and colours (b)."""
    words = name.removeprefix("loss_").removeprefix("discriminator_").split("_")
    return " ".join(_DOMAINS.get(word, word) for word in words)


def _text(axes: Axes, x: float, y: float, text: str, *, size: int) -> None:
    """Write below and right of a point; a caption is no formula, whatever dollar signs it holds."""
    axes.text(x, y, text, color=LIGHT, fontsize=size, va="top", ha="left", parse_math=False)


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
