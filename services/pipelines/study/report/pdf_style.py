"""Page, fonts and colours of a study's PDF."""

from __future__ import annotations

import html
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import matplotlib as mpl
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.enums import TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

REGULAR: Final = "DejaVuSans"
BOLD: Final = "DejaVuSans-Bold"
PAGE: Final[tuple[float, float]] = A4
MARGIN: Final = 16 * mm
WIDTH: Final = PAGE[0] - 2 * MARGIN
INK: Final = HexColor("#1b1f24")
QUIET: Final = HexColor("#56606c")
LINE: Final = HexColor("#c9ced6")
WARN: Final = HexColor("#8a1538")
LINK: Final = HexColor("#0060a0")
GROUND: Final = HexColor("#f2f4f6")
TONES: Final = MappingProxyType(
    {"better": HexColor("#0072b2"), "worse": HexColor("#b3400a"), "open": HexColor("#5b6470")}
)


def _style(name: str, size: float, *, bold: bool = False, colour: Color = INK, **more: Any) -> ParagraphStyle:
    return ParagraphStyle(
        name,
        fontName=BOLD if bold else REGULAR,
        fontSize=size,
        leading=1.35 * size,
        textColor=colour,
        alignment=TA_LEFT,
        **more,
    )


STYLES: Final = MappingProxyType(
    {
        "title": _style("title", 18, bold=True, spaceAfter=8),
        "heading": _style("heading", 14, bold=True, spaceBefore=16, spaceAfter=6, keepWithNext=1),
        "subheading": _style("subheading", 10.5, bold=True, spaceBefore=9, spaceAfter=3, keepWithNext=1),
        "body": _style("body", 9, spaceAfter=4),
        "quiet": _style("quiet", 8, colour=QUIET, spaceAfter=4),
        "caption": _style("caption", 8.5, bold=True, spaceBefore=9, spaceAfter=3, keepWithNext=1),
        "long caption": _style("long caption", 8.5, bold=True, spaceBefore=9, spaceAfter=3),
        "answer": _style("answer", 13, bold=True, spaceAfter=3),
        "contents": _style("contents", 9.5, colour=LINK),
        "fact": _style("fact", 12, bold=True),
    }
)


def register_fonts() -> None:
    """Make DejaVu Sans known, which comes with matplotlib and has the signs and accents of the text."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for name in (REGULAR, BOLD):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD)


def cell_style(size: float, *, number: bool, bold: bool = False, colour: Color = INK) -> ParagraphStyle:
    """Style of a table's cell."""
    style = _style(f"cell-{size}-{number}-{bold}-{colour.hexval()}", size, bold=bold, colour=colour)
    style.alignment = TA_RIGHT if number else TA_LEFT
    style.leading = 1.2 * size
    return style


def safe(text: str) -> str:
    """Text for a paragraph: nothing in it is markup, and nothing in it controls a printer."""
    return html.escape(_printable(text), quote=False)


def fitted(text: str, font: str, size: float, width: float) -> str:
    """Text cut so that it is no wider than `width`, in points."""
    text = _printable(text)
    if pdfmetrics.stringWidth(text, font, size) <= width:
        return text
    while text and pdfmetrics.stringWidth(f"{text}…", font, size) > width:
        text = text[:-1]
    return f"{text}…"


def _printable(text: str) -> str:
    return "".join(one for one in text if one.isprintable() or one == "\N{NO-BREAK SPACE}")
