"""A study's report as PDF: the same blocks as the HTML, on A4, with its banner on every page."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final

from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, CondPageBreak, Flowable, Frame, PageTemplate, Paragraph
from reportlab.platypus import Table as PdfTable
from reportlab.platypus.tableofcontents import TableOfContents

from services.pipelines.study.report.blocks import Report
from services.pipelines.study.report.pdf_blocks import flowables_of
from services.pipelines.study.report.pdf_style import (
    BOLD,
    LINE,
    MARGIN,
    PAGE,
    QUIET,
    REGULAR,
    STYLES,
    WARN,
    WIDTH,
    fitted,
    register_fonts,
    safe,
)
from services.pipelines.study.report.sections import report_of

_HEADER: Final = 9 * mm
_BANNER: Final = 8 * mm
_FOOTER: Final = 8 * mm
_BEGINNING: Final = 45 * mm  # a section does not begin below
_SMALL: Final = 7.5  # points
_OUTLINE: Final = "outline"  # a heading's section, noted for the contents and the bookmarks


def report_pdf(results: Mapping[str, Any], figures: Mapping[str, bytes | None]) -> bytes:
    """Write the report of a study as PDF.

    Parameters
    ----------
    results
        What ``results.json`` holds, schema 1.
    figures
        PNG by name, see `services.pipelines.study_captions.KEYS`; None for one that could not be drawn.

    Returns
    -------
    bytes
        A4; the same for the same input.
    """
    register_fonts()
    report = report_of(results, figures)
    written = io.BytesIO()
    document = _Document(written, report)
    story: list[Flowable] = _title(report)
    for number, section in enumerate(report.sections, start=1):
        heading = Paragraph(f"{number}. {safe(section.title)}", STYLES["heading"])
        setattr(heading, _OUTLINE, (section.anchor, f"{number}. {section.title}"))
        story += [
            CondPageBreak(_BEGINNING),
            heading,
            *(one for block in section.blocks for one in flowables_of(block)),
        ]
    # Twice and more, until the contents list knows its pages.
    document.multiBuild(story)
    return written.getvalue()


def _title(report: Report) -> list[Flowable]:
    """The head of the first page: what it is, on what, and the contents."""
    rows = [
        [Paragraph(safe(name), STYLES["quiet"]), Paragraph(safe(value), STYLES["body"])]
        for name, value in report.facts
    ]
    contents = TableOfContents(levelStyles=[STYLES["contents"]], dotsMinLevel=0)
    head: list[Flowable] = [
        Paragraph("Karyobridge study", STYLES["quiet"]),
        Paragraph(safe(report.subtitle), STYLES["title"]),
    ]
    if rows:
        style = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]
        style += [(f"{side}PADDING", (0, 0), (-1, -1), 1) for side in ("TOP", "BOTTOM")]
        head.append(PdfTable(rows, colWidths=[40 * mm, WIDTH - 40 * mm], style=style))
    return [*head, Paragraph("Contents", STYLES["subheading"]), contents]


class _Document(BaseDocTemplate):
    """A document of one kind of page, which notes where sections begin and how many pages there are."""

    def __init__(self, written: io.BytesIO, report: Report) -> None:
        top = MARGIN + _HEADER + (_BANNER if report.banner else 0)
        super().__init__(
            written,
            pagesize=PAGE,
            title=f"{report.title}: {report.subtitle}",
            author="Karyobridge",
            subject=report.banner or report.subtitle,
            lang="en",
            invariant=1,
        )
        height = PAGE[1] - top - MARGIN - _FOOTER
        frame = Frame(MARGIN, MARGIN + _FOOTER, WIDTH, height, 0, 0, 0, 0)
        self.addPageTemplates([PageTemplate("page", [frame], onPageEnd=self._furnish)])
        self._report = report
        self._pages = self._last_page = 0

    def beforeDocument(self) -> None:  # noqa: N802 - reportlab's name
        """Take the number of pages from the pass before, which the contents list needs as well."""
        self._pages = self._last_page

    def afterPage(self) -> None:  # noqa: N802 - reportlab's name
        """Count a page."""
        self._last_page = self.page

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802 - reportlab's name
        """Put a section into the contents list and among the bookmarks."""
        found = getattr(flowable, _OUTLINE, None)
        if found is None:
            return
        anchor, title = found
        self.canv.bookmarkPage(anchor)
        self.canv.addOutlineEntry(title, anchor, level=0)
        self.notify("TOCEntry", (0, safe(title), self.page, anchor))

    def _furnish(self, canvas: Canvas, _: BaseDocTemplate) -> None:
        """Draw header, banner and footer."""
        report, (width, height) = self._report, PAGE
        top, bottom = height - MARGIN - 4 * mm, MARGIN + _FOOTER - 3 * mm
        canvas.saveState()
        canvas.setStrokeColor(LINE)
        canvas.setLineWidth(0.5)
        canvas.line(MARGIN, top, width - MARGIN, top)
        canvas.line(MARGIN, bottom, width - MARGIN, bottom)
        canvas.setFillColor(QUIET)
        canvas.setFont(REGULAR, _SMALL)
        canvas.drawString(MARGIN, top + 1.5 * mm, fitted(report.title, REGULAR, _SMALL, WIDTH * 0.4))
        about = fitted(report.subtitle, REGULAR, _SMALL, WIDTH * 0.55)
        canvas.drawRightString(width - MARGIN, top + 1.5 * mm, about)
        canvas.drawString(MARGIN, bottom - 4 * mm, "Karyobridge. Not a medical device.")
        canvas.drawRightString(width - MARGIN, bottom - 4 * mm, f"Page {self.page} of {self._pages}")
        if report.banner:
            _draw_banner(canvas, report.banner, top - 2 * mm)
        canvas.restoreState()


def _draw_banner(canvas: Canvas, text: str, top: float) -> None:
    """Write what nobody may overlook in a frame, in the largest type that fits on one line."""
    height, size = _BANNER - 2 * mm, 8.0
    while canvas.stringWidth(text, BOLD, size) > WIDTH - 4 * mm:
        size -= 0.25
    canvas.setStrokeColor(WARN)
    canvas.setLineWidth(1)
    canvas.rect(MARGIN, top - height, WIDTH, height)
    canvas.setFillColor(WARN)
    canvas.setFont(BOLD, size)
    canvas.drawCentredString(PAGE[0] / 2, top - height / 2 - size * 0.35, text)
