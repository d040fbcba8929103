"""The report of a study as PDF."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from pypdf import PdfReader

from services.pipelines.study.report.pdf import report_pdf
from services.pipelines.study.report.sections import report_of
from services.pipelines.study.report.text import QUICK, SIMULATED
from tests.support import study_results

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def small(**study: Any) -> dict[str, Any]:
    """Return results of two arms, which are a few pages."""
    results = study_results.results(
        conditions=("all",), arms=("augmented", "augmented-bbdm-filtered"), seeds=(0, 1), filters=[]
    )
    results["study"].update(study)
    return results


def pages(results: dict[str, Any], **figures: bytes | None) -> list[str]:
    """Return what stands on each page, spaces made alike."""
    found = PdfReader(io.BytesIO(report_pdf(results, figures))).pages
    return [" ".join(page.extract_text().split()) for page in found]


class TestPages:
    def test_every_number_of_every_table_is_on_a_page(self) -> None:
        """Each cell, however its words were broken into lines."""
        results = study_results.results()
        written = "".join("".join(pages(results)).split())
        for table in report_of(results, {}).tables():
            cells = ["".join(cell.split()) for row in table.rows for cell in row.cells]
            assert [cell for cell in cells if cell not in written] == []

    @pytest.mark.parametrize(
        "study", [{"proves_nothing": True}, {"simulated": True}, {"proves_nothing": True, "simulated": True}]
    )
    def test_the_banner_is_on_every_page(self, study: dict[str, Any]) -> None:
        """Quick studies and simulated data are never read without it."""
        results = small(**study)
        wanted = [
            text for text, name in ((QUICK, "proves_nothing"), (SIMULATED, "simulated")) if name in study
        ]
        written = pages(results, forest=PNG)
        assert len(written) > 2
        assert all(text in page for text in wanted for page in written)

    def test_other_studies_have_none(self) -> None:
        """A full study on real data stands for itself."""
        assert not any("quick" in page or "imulated" in page for page in pages(small()))

    def test_every_page_has_its_number_and_the_study(self) -> None:
        """Page x of y, which study, on what."""
        written = pages(small())
        for number, page in enumerate(written, start=1):
            assert f"Page {number} of {len(written)}" in page
            assert "adir-study" in page
            assert "adir/1" in page

    def test_pages_are_a4_and_sections_are_bookmarks(self) -> None:
        """As many as the contents list names."""
        results = small()
        document = PdfReader(io.BytesIO(report_pdf(results, {})))
        assert {tuple(map(int, page.mediabox[2:])) for page in document.pages} == {(595, 841)}
        assert len(document.outline) == len(report_of(results, {}).sections)

    def test_the_same_input_gives_the_same_bytes(self) -> None:
        """Neither the clock nor chance is in it."""
        results = small()
        assert report_pdf(results, {"forest": PNG}) == report_pdf(results, {"forest": PNG})


class TestOddInput:
    def test_markup_and_long_words_are_text(self) -> None:
        """A name that is no markup for reportlab, and one without a space that is wider than the page."""
        results = small()
        results["study"]["dataset"].update(ref="<b>&</i>", description="x" * 400)
        results["study"]["name"] = "n" * 300
        results["arms"][0]["title"] = "A" * 120
        written = pages(results)
        assert "<b>&</i>" in written[0]

    def test_a_sparse_study_gives_a_report(self) -> None:
        """One arm, one seed, no test; or nothing at all."""
        results = study_results.results(
            conditions=("all",), arms=("augmented",), seeds=(0,), test=False, generators=[], candidates=[],
            filters=[],
        )  # fmt: skip
        assert "Nothing to compare" in " ".join(pages(results))
        assert "No network was trained." in " ".join(pages({}))
