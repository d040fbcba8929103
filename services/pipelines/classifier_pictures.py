"""Pictures that go into a classifier's artifact: curves, and the mistakes themselves."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.classification.evaluation import Evaluation
from models.classification.figures import Level
from models.classification.records import EpochRecord

MAX_TILES = 48
COLOURS = ("#2b5fa8", "#d9722b", "#3a8f5c", "#8a4fa3", "#6b6b6b")
DARK, LIGHT = "#16181c", "#f2f2f2"
_DPI = 100
_COLUMNS = 8
_TILE_PX = 192
_GAP_PX = 8
_CAPTION_PX = 40
_TITLE_PX = 48
_Z95 = 1.96


def training_png(histories: Sequence[Sequence[EpochRecord]], best: int = 0) -> bytes:
    """Draw loss, F1 and average precision over the epochs, counted from 1.

    Parameters
    ----------
    histories
        One for each seed; `best` is drawn thick, the others as thin lines.
    """
    figure = Figure(figsize=(11.0, 3.6), dpi=_DPI, layout="constrained")
    losses, f1, precision = figure.subplots(1, 3)
    for index, history in enumerate(histories):
        epochs = range(1, len(history) + 1)
        chosen = index == best
        style = {"linewidth": 1.8 if chosen else 0.7, "alpha": 1.0 if chosen else 0.35, "zorder": 2 + chosen}
        drawn = (
            (losses, [one.loss for one in history], COLOURS[0], "training"),
            (losses, _gaps(one.val_loss for one in history), COLOURS[1], "validation"),
            (f1, _gaps(one.val_f1 for one in history), COLOURS[1], ""),
            (precision, _gaps(one.val_average_precision for one in history), COLOURS[1], ""),
        )
        for axes, values, colour, label in drawn:
            axes.plot(epochs, values, color=colour, label=label if chosen and label else None, **style)
    for axes, title in ((losses, "loss"), (f1, "F1 at 0.5, validation"), (precision, "AP, validation")):
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("epoch")
        axes.grid(visible=True, alpha=0.25)
    if any(one.loss > 0 for history in histories for one in history):
        losses.set_yscale("log")
    for axes in (f1, precision):
        axes.set_ylim(0, 1.02)
    if losses.get_legend_handles_labels()[0]:
        losses.legend(fontsize=8)
    if len(histories) > 1:
        figure.suptitle(f"{len(histories)} seeds; thick: the one that was kept", fontsize=9)
    return _png(figure)


def roc_pr_png(evaluations: Mapping[str, Evaluation]) -> bytes:
    """Draw ROC and precision-recall curves of each split; dots mark the threshold in use.

    Solid lines count crops, dashed ones chromosomes; a dotted line is what chance gives.
    """
    figure = Figure(figsize=(11.0, 5.2), dpi=_DPI, layout="constrained")
    roc, pr = figure.subplots(1, 2)
    roc.plot([0, 1], [0, 1], color="#888888", linewidth=0.8, linestyle=":")
    for (split, evaluation), colour in zip(evaluations.items(), _colours(len(evaluations)), strict=True):
        for unit, level, dashes in (
            ("crops", evaluation.crops, "-"),
            ("chromosomes", evaluation.chromosomes, "--"),
        ):
            _draw_level(roc, pr, level, f"{split}, {unit}", colour=colour, dashes=dashes)
    for axes, x, y in ((roc, "false positive rate", "true positive rate"), (pr, "recall", "precision")):
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_aspect("equal")
        axes.grid(visible=True, alpha=0.25)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8, loc="lower right" if axes is roc else "best")
    return _png(figure)


def reliability_png(evaluations: Mapping[str, Evaluation]) -> bytes:
    """Draw how often crops of a predicted probability are aberrations, with 95 % Wilson bars.

    Axes are stretched near 0, where nearly all crops are.
    """
    figure = Figure(figsize=(5.8, 5.8), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#888888", linewidth=0.8, linestyle=":")
    for (split, evaluation), colour in zip(evaluations.items(), _colours(len(evaluations)), strict=True):
        bins = evaluation.crops.reliability
        if len(bins.count) == 0:
            continue
        low, high = _wilson(bins.frequency, bins.count)
        bars = np.stack([bins.frequency - low, high - bins.frequency]).clip(0)
        before, after = (evaluation.crops.values[name] for name in ("ece_before", "ece_after"))
        axes.errorbar(
            bins.probability,
            bins.frequency,
            bars,
            color=colour,
            marker="o",
            markersize=4,
            linewidth=1.2,
            elinewidth=0.8,
            label=f"{split}: ECE {before:.3f}, with temperature {after:.3f}",
        )
    ticks = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1]
    for scale, limit, tick in (
        (axes.set_xscale, axes.set_xlim, axes.set_xticks),
        (axes.set_yscale, axes.set_ylim, axes.set_yticks),
    ):
        scale("function", functions=(_signed_root, _signed_square))
        limit(0, 1)
        tick(ticks, [f"{value:g}" for value in ticks], fontsize=8)
    axes.set_xlabel("predicted probability of an aberration")
    axes.set_ylabel("observed share of aberrations")
    axes.grid(visible=True, alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, loc="upper left")
    return _png(figure)


def gallery_png(canvases: NDArray[np.uint8], captions: Sequence[str], title: str) -> bytes:
    """Draw crops side by side on a dark ground, each enlarged by a whole factor, without smoothing.

    Parameters
    ----------
    canvases : (N, 3, S, S) uint8
        Red, green, blue; the first 48 are drawn. Without any the title stands alone.
    captions : (N,)
        Up to two lines each.

    Raises
    ------
    ValueError
        If there are not as many captions as canvases.
    """
    if len(canvases) != len(captions):
        raise ValueError(f"{len(canvases)} canvases have {len(captions)} captions.")
    shown = min(len(canvases), MAX_TILES)
    factor = max(1, _TILE_PX // canvases.shape[-1])
    tile = canvases.shape[-1] * factor
    rows = -(-shown // _COLUMNS)
    width = _COLUMNS * (tile + _GAP_PX) + _GAP_PX
    height = _TITLE_PX + max(rows, 1) * (tile + _CAPTION_PX) + _GAP_PX
    if shown == 0:
        height = 2 * _TITLE_PX
    ground = np.full((height, width, 3), [int(DARK[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for index in range(shown):
        top = _TITLE_PX + (index // _COLUMNS) * (tile + _CAPTION_PX)
        left = _GAP_PX + (index % _COLUMNS) * (tile + _GAP_PX)
        picture = canvases[index].transpose(1, 2, 0).repeat(factor, axis=0).repeat(factor, axis=1)
        ground[top : top + tile, left : left + tile] = picture
        _text(axes, left + 2, top + tile + 4, captions[index], size=9)
    axes.imshow(ground, interpolation="none")
    _text(axes, _GAP_PX, 14, title, size=13)
    return _png(figure)


def _draw_level(roc: Axes, pr: Axes, level: Level, label: str, *, colour: str, dashes: str) -> None:
    """Draw both curves of crops or chromosomes, as far as they are defined."""
    verdicts, values = level.confusion, level.values
    style: dict[str, Any] = {"color": colour, "linestyle": dashes, "linewidth": 1.5}
    normals = level.count - level.aberrations
    if len(level.roc.x):
        roc.plot(level.roc.x, level.roc.y, label=f"{label}: AUC {values['roc_auc']:.3f}", **style)
        roc.plot(verdicts.false_positives / normals, values["recall"], "o", color=colour, markersize=5)
    if len(level.pr.x):
        text = f"{label}: AP {values['average_precision']:.3f} ({level.aberrations} of {level.count})"
        pr.plot(level.pr.x, level.pr.y, drawstyle="steps-pre", label=text, **style)
        pr.plot(values["recall"], values["precision"], "o", color=colour, markersize=5)
        pr.axhline(level.aberrations / level.count, color=colour, linewidth=0.8, linestyle=":")


def _wilson(share: NDArray[np.float64], count: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    """95 % interval of a proportion, which also holds at 0 and 1."""
    middle = (share + _Z95**2 / (2 * count)) / (1 + _Z95**2 / count)
    half = _Z95 * np.sqrt(share * (1 - share) / count + _Z95**2 / (4 * count**2)) / (1 + _Z95**2 / count)
    return middle - half, middle + half


def _signed_root(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square root that matplotlib may also ask for beyond the axis."""
    root: NDArray[np.float64] = np.sign(values) * np.sqrt(np.abs(values))
    return root


def _signed_square(values: NDArray[np.float64]) -> NDArray[np.float64]:
    square: NDArray[np.float64] = np.sign(values) * np.square(values)
    return square


def _gaps(values: Iterable[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _text(axes: Axes, x: float, y: float, text: str, *, size: int) -> None:
    """Write below and right of a point; a caption is no formula, whatever dollar signs it holds."""
    axes.text(x, y, text, color=LIGHT, fontsize=size, va="top", ha="left", parse_math=False)


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
