"""Figures 3, 4, 7 and 8 of a study: crops beside what they were made from, and a sheet of each generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from services.pipelines.filter_pictures import KEPT, REJECTED
from services.pipelines.generator_pictures import grey_dapi
from services.pipelines.study.figures.pictures import Canvases, Gallery, StudyPictures
from services.pipelines.study.figures.style import (
    NEUTRAL,
    SMALL_PT,
    TITLE_PT,
    WIDTH_IN,
    canvas,
    legend_below,
    method_title,
)

Kind = Literal["bad and good", "made", "kept", "rejected"]

COLUMNS: Final = ("source", "its DAPI", "made")
MAX_SAMPLES: Final = 6
SHEET: Final = 12
_CAPTION_IN, _HEADER_IN = 0.18, 0.22
_A_ROW = 2  # triplets of a figure of samples
_SHEET_A_ROW = 6
_SHEET_TILE_IN = 0.86
_FRAME_PT = 2.4


def samples(gallery: Gallery, kind: Kind) -> Figure | None:
    """Draw crops with their source and its DAPI alone, which is all that a generator is given.

    Parameters
    ----------
    kind
        ``bad and good``: the one that needs the highest level of the filter, and the one that needs the
        least; the first two where no filter was fitted. ``made``: as they come. ``kept`` and ``rejected``
        by the filter: as they come.

    Returns
    -------
    Figure or None
        None where there is no such crop.
    """
    rows, captions = _chosen(gallery, kind)
    if not len(rows):
        return None
    across = min(_A_ROW, len(rows))
    down = -(-len(rows) // across)
    tile = WIDTH_IN / (3 * _A_ROW + 0.4)
    figure = canvas(down * (tile + (_CAPTION_IN if any(captions) else 0)) + _HEADER_IN)
    # An empty column keeps triplets apart.
    ratios = [1.0, 1.0, 1.0, 0.2] * _A_ROW
    grid = figure.add_gridspec(down, len(ratios) - 1, width_ratios=ratios[:-1])
    shown = (gallery.sources[rows], grey_dapi(gallery.sources[rows]), gallery.made[rows])
    for index in range(len(rows)):
        line, place = divmod(index, across)
        for column, canvases in enumerate(shown):
            axes = figure.add_subplot(grid[line, 4 * place + column])
            _draw_crop(axes, canvases[index])
            if line == 0:
                axes.set_title(COLUMNS[column], fontsize=SMALL_PT)
            if captions[index] and column == 2:  # noqa: PLR2004  # below what was made
                axes.set_xlabel(captions[index], fontsize=SMALL_PT, labelpad=2)
    return figure


def gallery_sheet(pictures: StudyPictures) -> Figure | None:
    """Draw twelve real aberrations and the first twelve crops of each generator, framed by the verdict.

    They are not picked: good and bad ones are as frequent as they come. None without any generator.
    """
    blocks: dict[str, tuple[Canvases, NDArray[np.bool_] | None]] = {}
    for method, gallery in pictures.galleries.items():
        if len(gallery.made):
            blocks[method_title(method)] = (gallery.made, gallery.kept)
    if not blocks:
        return None
    if len(pictures.aberrations):
        blocks = {"real": (pictures.aberrations, None), **blocks}
    lines = {name: -(-min(len(made), SHEET) // _SHEET_A_ROW) for name, (made, _) in blocks.items()}
    figure = canvas(sum(lines.values()) * _SHEET_TILE_IN + 0.4 + 0.1 * len(lines))
    parts = figure.subfigures(len(blocks), 1, height_ratios=list(lines.values()), squeeze=False)[:, 0]
    for part, (name, (made, kept)), line in zip(parts, blocks.items(), lines.values(), strict=True):
        grid = part.subplots(line, _SHEET_A_ROW, squeeze=False)
        part.supylabel(name, fontsize=TITLE_PT, fontweight="bold")
        for index, axes in enumerate(grid.ravel()):
            if index < min(len(made), SHEET):
                _draw_crop(axes, made[index], None if kept is None else bool(kept[index]))
            else:
                axes.set_axis_off()
    if any(kept is not None for _, kept in blocks.values()):
        legend_below(figure, _frame_handles(), 2)
    return figure


def _chosen(gallery: Gallery, kind: Kind) -> tuple[NDArray[np.int64], Sequence[str]]:
    """Return which crops are drawn, and what stands below each."""
    every = np.arange(len(gallery.made))
    if kind == "bad and good":
        needed = gallery.needed_level
        if needed is None or not len(every) or not np.isfinite(needed).any():
            rows = every[:2]
            return rows, [""] * len(rows)
        rows = np.unique([np.nanargmax(needed), np.nanargmin(needed)])
        rows = rows[np.argsort(-needed[rows], kind="stable")]
        return rows, [f"needs level {needed[row]:.2f}" for row in rows]
    if kind in {"kept", "rejected"}:
        if gallery.kept is None:
            return every[:0], ()
        every = every[gallery.kept == (kind == "kept")]
    rows = every[:MAX_SAMPLES]
    return rows, [""] * len(rows)


def _draw_crop(axes: Axes, picture: NDArray[np.uint8], kept: bool | None = None) -> None:  # noqa: FBT001
    """Draw one crop without smoothing, in the frame of its verdict."""
    axes.imshow(picture.transpose(1, 2, 0), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        if kept is None:
            spine.set(color=NEUTRAL, linewidth=0.5)
        else:
            spine.set(color=KEPT if kept else REJECTED, linewidth=_FRAME_PT, linestyle="-" if kept else "--")


def _frame_handles() -> list[Line2D]:
    return [
        Line2D([], [], color=KEPT, linestyle="-", linewidth=_FRAME_PT, label="kept by the UMAP filter"),
        Line2D([], [], color=REJECTED, linestyle="--", linewidth=_FRAME_PT, label="rejected"),
    ]
