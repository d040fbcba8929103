"""How a study's figures look: one palette, type that is readable on an A4 page, no state of pyplot."""

from __future__ import annotations

import io
import textwrap
from types import MappingProxyType
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from services.pipelines.filter_pictures import INK

WIDTH_IN: Final = 6.7
"""17 cm, the width of a page's text: a figure is printed at its own size, and 8 pt stay 8 pt."""
MAX_HEIGHT_IN: Final = 9.0
"""What a page leaves below its header, with room for a caption."""
SMALL_PT, TITLE_PT = 8, 9

# Told apart by colour-blind eyes, and by shape where lines cross.
REAL, REFERENCE, NEUTRAL = "#3a3a3a", INK, "#868e98"
METHOD_COLOURS: Final = MappingProxyType({"bbdm": "#0072b2", "cyclegan": "#c98500", "painted": "#009e73"})
METHOD_TITLES: Final = MappingProxyType({"bbdm": "BBDM", "cyclegan": "CycleGAN", "painted": "painted"})
BETTER, WORSE = "#0072b2", "#d55e00"
LINE_COLOURS: Final = (
    *("#3a3a3a", "#0072b2", "#d55e00", "#009e73", "#b0559a", "#c98500", "#56b4e9", "#868e98"),
)
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")

_DPI = 160
_TITLE_CHARACTERS = 50  # over all panels of a figure with a row for each arm
_TOLD = (
    (10.0, "2357"),
    (100.0, "25"),
)  # first digits that are written where the axis spans less than so many


def canvas(height: float) -> Figure:
    """Return an empty figure as wide as a page's text, `height` inches high at most a page."""
    return Figure((WIDTH_IN, min(height, MAX_HEIGHT_IN)), _DPI, layout="constrained")


def png_of(figure: Figure) -> bytes:
    """Encode a figure; the same one gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def colour_of(method: str) -> str:
    """Return a generator's colour, the same in every figure; anything else is real."""
    return METHOD_COLOURS.get(method, REAL)


def method_title(method: str) -> str:
    """Return a generator's name as it is written; any other name as it is."""
    return METHOD_TITLES.get(method, method)


def finish(axes: Axes, title: str | None = None, *, grid: str = "both", **labels: Any) -> None:
    """Set title, labels and limits (as `Axes.set` takes them), small type and a faint grid.

    A title is no formula, whatever dollar signs it holds.
    """
    axes.set(**labels)
    if title:
        axes.set_title(title, fontsize=TITLE_PT, parse_math=False)
    axes.xaxis.label.set_fontsize(SMALL_PT)
    axes.yaxis.label.set_fontsize(SMALL_PT)
    axes.tick_params(labelsize=SMALL_PT)
    axes.grid(visible=True, axis=grid, alpha=0.25)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def plain_ticks(axes: Axes, places: list[float]) -> None:
    """Write whole numbers at these places of a logarithmic x axis, and nothing between them."""
    axes.set_xticks(places)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def plain_numbers(axes: Axes) -> None:
    """Write the numbers of a logarithmic y axis without powers of ten, the fewer the longer the axis."""
    low, high = axes.get_ylim()
    told = next((digits for factor, digits in _TOLD if high / low < factor), "")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(
        FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in told else "")
    )


def wrapped(title: str, panels: int) -> str:
    """Break a title so that it fits over one of so many panels beside the names of the arms."""
    return textwrap.fill(title, max(_TITLE_CHARACTERS // panels, 8))


def legend_below(figure: Figure, handles: list[Any], columns: int) -> None:
    """Write a legend below everything."""
    if not handles:
        return
    legend = figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, fontsize=SMALL_PT, frameon=False
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
