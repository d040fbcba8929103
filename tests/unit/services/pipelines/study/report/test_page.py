"""The report of a study as HTML."""

from __future__ import annotations

import base64
import html
import re
from typing import Any

import pytest

from services.pipelines.study.report.page import report_html
from services.pipelines.study.report.sections import report_of
from services.pipelines.study.report.text import QUICK, SIMULATED
from tests.support import study_results

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def page(results: dict[str, Any], **figures: bytes | None) -> str:
    """Return the report as text."""
    return report_html(results, figures).decode()


class TestReport:
    def test_every_number_of_every_table_is_on_the_page(self) -> None:
        """Each cell, caption and note."""
        results = study_results.results()
        written = html.unescape(page(results))
        tables = list(report_of(results, {}).tables())
        assert len(tables) >= 18
        for table in tables:
            assert table.title in written
            assert table.note in written
            assert [cell for row in table.rows for cell in row.cells if cell not in written] == []

    def test_tables_are_numbered_in_reading_order(self) -> None:
        """The paper's keep theirs, additions count from A1."""
        numbers = [table.number for table in report_of(study_results.results(), {}).tables()]
        assert [number for number in numbers if number in set("123456")] == list("123456")
        added = [number for number in numbers if number and number.startswith("A")]
        assert added == [f"A{place}" for place in range(1, len(added) + 1)]

    def test_it_asks_no_network_and_runs_no_script(self) -> None:
        """Pictures are within it."""
        written = page(study_results.results(seeds=(0,)), forest=PNG, figure5=PNG)
        assert written.count("data:image/png;base64,") == 2
        assert "<script" not in written
        assert not re.search(r"(?:src|href)=.(?!data:|#)", written)
        assert "url(" not in written
        assert "@import" not in written

    def test_links_of_the_contents_lead_somewhere(self) -> None:
        """To a section each."""
        written = page(study_results.results(seeds=(0,)))
        assert set(re.findall(r'href="#([^"]+)"', written)) == set(
            re.findall(r'<section id="([^"]+)"', written)
        )

    @pytest.mark.parametrize(
        ("study", "banner"),
        [({"proves_nothing": True}, QUICK), ({"simulated": True}, SIMULATED), ({}, None)],
    )
    def test_the_banner_stays_in_sight(self, study: dict[str, Any], banner: str | None) -> None:
        """On the screen it sticks, on paper it is repeated."""
        results = study_results.results(seeds=(0,))
        results["study"].update(study)
        written = page(results)
        assert (f'<div class="banner" role="note"><p>{banner}</p></div>' in written) == (banner is not None)
        assert "position: sticky" in written
        assert "display: table-header-group" in written

    def test_a_hostile_name_is_text(self) -> None:
        """Of the data set, of the study, of an arm, in a note."""
        results = study_results.results(seeds=(0,))
        evil = "<script>alert(1)</script>"
        results["study"].update(name=evil, notes=[evil])
        results["study"]["dataset"].update(ref=f'"><img src=x>{evil}', description=evil, licence=evil)
        results["arms"][0]["title"] = evil
        results["parameters"][evil] = evil
        written = page(results)
        assert "<script" not in written
        assert "<img" not in written
        assert html.escape(evil) in written

    def test_the_same_input_gives_the_same_bytes(self) -> None:
        """Nothing of the clock is in it."""
        results = study_results.results(seeds=(0,))
        assert report_html(results, {"forest": PNG}) == report_html(results, {"forest": PNG})


class TestSparse:
    def test_one_arm_and_one_seed_give_a_report(self) -> None:
        """Without test scores, generators or filters."""
        results = study_results.results(
            conditions=("all",), arms=("augmented",), seeds=(0,), test=False, generators=[], candidates=[],
            filters=[],
        )  # fmt: skip
        written = page(results)
        assert "Nothing to compare" in written
        assert "This study made no synthetic crops." in written

    def test_nothing_at_all_gives_a_report(self) -> None:
        """Which says that there is nothing."""
        assert "No network was trained." in page({})
