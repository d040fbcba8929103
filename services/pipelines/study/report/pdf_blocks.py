"""Blocks of a study's report as what reportlab lays out on pages."""

from __future__ import annotations

import io
from typing import Any, Final, assert_never

from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.platypus import CondPageBreak, Flowable, Image, ListFlowable, ListItem, Paragraph
from reportlab.platypus import Table as PdfTable

from services.pipelines.study.report.blocks import (
    Block,
    Callout,
    Facts,
    Figure,
    Heading,
    Points,
    Row,
    Table,
    Text,
)
from services.pipelines.study.report.pdf_style import (
    BOLD,
    GROUND,
    INK,
    LINE,
    QUIET,
    REGULAR,
    STYLES,
    TONES,
    WIDTH,
    cell_style,
    safe,
)

_SIZES: Final = (8.0, 7.5, 7.0, 6.5, 6.0, 5.5)  # of a table's type; the largest that fits is taken
_PADDING: Final = 3.0
_LONGEST_WORD: Final = 30 * mm  # longer ones are broken
_SHORT: Final = 24 * mm  # texts that are no longer stay on one line
_FIGURE_HEIGHT: Final = 195 * mm
_FACTS_A_LINE: Final = 6
_UNBROKEN: Final = 10  # rows; a table of no more is kept on one page
_BEGINNING: Final = 60 * mm


def flowables_of(block: Block) -> list[Flowable]:  # noqa: PLR0911 - one for each kind of block
    """Return what a block looks like on a page."""
    match block:
        case Table():
            return _table(block)
        case Figure():
            return _figure(block)
        case Text():
            return [Paragraph(safe(block.text), STYLES["quiet" if block.small else "body"])]
        case Heading():
            return [Paragraph(safe(block.text), STYLES["subheading"])]
        case Callout():
            return [_callout(block)]
        case Points():
            return [_points(block)]
        case Facts():
            return [_facts(block)]
    assert_never(block)


def _figure(block: Figure) -> list[Flowable]:
    """The picture at the width of the text, or smaller if it would not fit on a page, and its caption."""
    image = Image(io.BytesIO(block.png))
    scale = min(WIDTH / image.imageWidth, _FIGURE_HEIGHT / image.imageHeight)
    image.drawWidth, image.drawHeight = image.imageWidth * scale, image.imageHeight * scale
    # Said of the picture itself, so that a heading before it stays with both.
    image.keepWithNext = 1
    return [image, Paragraph(safe(block.title), STYLES["quiet"])]


def _callout(block: Callout) -> Flowable:
    inside = [Paragraph(safe(block.title), STYLES["answer"]), Paragraph(safe(block.text), STYLES["body"])]
    return PdfTable(
        [[inside]],
        colWidths=[WIDTH],
        spaceAfter=8,
        style=[
            ("BACKGROUND", (0, 0), (-1, -1), GROUND),
            ("LINEBEFORE", (0, 0), (0, -1), 4, TONES[block.tone]),
            ("LEFTPADDING", (0, 0), (-1, -1), 10),
        ],
    )


def _points(block: Points) -> Flowable:
    texts = (f"<b>{safe(one.lead)}</b> {safe(one.text)}" for one in block.points)
    items: list[Any] = [ListItem(Paragraph(text, STYLES["body"])) for text in texts]
    return ListFlowable(items, bulletType="bullet", start="•", leftIndent=10, bulletFontSize=8)


def _facts(block: Facts) -> Flowable:
    """Numbers side by side, each above what it counts."""
    cells = [
        [Paragraph(safe(value), STYLES["fact"]), Paragraph(safe(name), STYLES["quiet"])]
        for name, value in block.facts
    ]
    lines = [cells[start : start + _FACTS_A_LINE] for start in range(0, len(cells), _FACTS_A_LINE)]
    columns = len(lines[0])
    lines[-1] += [[] for _ in range(columns - len(lines[-1]))]
    style: list[Any] = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("BOX", (0, 0), (-1, -1), 0.5, LINE)]
    return PdfTable(lines, colWidths=[WIDTH / columns] * columns, style=style, spaceBefore=4, spaceAfter=8)


def _table(block: Table) -> list[Flowable]:
    size, widths = _layout(block)
    header = [
        Paragraph(safe(column.title), cell_style(size, number=column.kind == "number", bold=True))
        for column in block.columns
    ]
    rows: list[Any] = [header, *(_cells(block, row, size) for row in block.rows)]
    style: list[Any] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2 * _PADDING),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 1.8),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.2),
        ("LINEABOVE", (0, 0), (-1, 0), 1, INK),
        ("LINEBELOW", (0, 0), (-1, 0), 0.6, INK),
        ("LINEBELOW", (0, 1), (-1, -2), 0.25, LINE),
        ("LINEBELOW", (0, -1), (-1, -1), 1, INK),
    ]
    for place, row in enumerate(block.rows, start=1):
        if row.heading:
            # A heading alone at the foot of a page would tell nothing.
            style += [("SPAN", (0, place), (-1, place)), ("NOSPLIT", (0, place), (-1, place + 1))]
    table = PdfTable(rows, colWidths=widths, repeatRows=1, hAlign="LEFT", style=style, spaceAfter=3)
    after = [Paragraph(safe(block.note), STYLES["quiet"])] if block.note else []
    if len(block.rows) <= _UNBROKEN:
        return [Paragraph(safe(block.title), STYLES["caption"]), table, *after]
    # A long one begins where its head and some rows fit, and goes on overleaf.
    return [CondPageBreak(_BEGINNING), Paragraph(safe(block.title), STYLES["long caption"]), table, *after]


def _cells(block: Table, row: Row, size: float) -> list[Paragraph | str]:
    if row.heading:
        title = Paragraph(safe(row.cells[0]), cell_style(size, number=False, bold=True, colour=QUIET))
        return [title, *("" for _ in block.columns[1:])]
    return [
        Paragraph(safe(text), cell_style(size, number=column.kind == "number", bold=place in row.best))
        for place, (column, text) in enumerate(zip(block.columns, row.cells, strict=True))
    ]


def _layout(block: Table) -> tuple[float, list[float]]:
    """Size of type and widths of columns, so that no number breaks and the table is as wide as the text."""
    for size in _SIZES:
        least, most = _least_widths(block, size), _full_widths(block, size)
        if sum(least) <= WIDTH:
            return size, _shared(least, most)
    shrunk = WIDTH / sum(least)
    return _SIZES[-1], [width * shrunk for width in least]


def _shared(least: list[float], most: list[float]) -> list[float]:
    """Give each column what it needs, and of what is left as much as its longest text asks for."""
    spare = WIDTH - sum(least)
    wished = [high - low for low, high in zip(least, most, strict=True)]
    if sum(wished) <= spare:
        rest = (spare - sum(wished)) / (len(most) - 1) if len(most) > 1 else 0.0
        # Not to the last: what is set to the right would leave its title's column.
        return [*(high + rest for high in most[:-1]), most[-1]]
    return [low + spare * wish / sum(wished) for low, wish in zip(least, wished, strict=True)]


def _texts(block: Table, place: int) -> list[tuple[str, str]]:
    """A column's texts, each with the font that it is set in at most."""
    cells = [(row.cells[place], BOLD if row.best else REGULAR) for row in block.rows if not row.heading]
    return [(block.columns[place].title, BOLD), *cells]


def _room(text: str, font: str, size: float) -> float:
    return float(pdfmetrics.stringWidth(text, font, size)) + 2 * _PADDING + 0.5


def _least_widths(block: Table, size: float) -> list[float]:
    """Widths at which no word breaks, nor a number, nor what is short."""
    widths = []
    for place, column in enumerate(block.columns):
        (title, bold), *cells = _texts(block, place)
        longest = max((_room(word, bold, size) for word in title.split()), default=0.0)
        words = max((_room(word, font, size) for text, font in cells for word in text.split()), default=0.0)
        whole = max((_room(text, font, size) for text, font in cells), default=0.0)
        if column.kind == "number":
            widths.append(max(longest, whole))
        else:
            widths.append(max(min(whole, _SHORT), min(max(longest, words), _LONGEST_WORD)))
    return widths


def _full_widths(block: Table, size: float) -> list[float]:
    """Widths at which no text breaks; titles of numbers may."""
    least = _least_widths(block, size)
    return [
        max(low, *(_room(text, font, size) for text, font in _texts(block, place)[1:]), 0.0)
        for place, low in enumerate(least)
    ]
