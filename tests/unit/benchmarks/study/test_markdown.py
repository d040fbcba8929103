"""Tables as Markdown."""

from __future__ import annotations

from benchmarks.study.markdown import markdown_of, rows_of
from services.pipelines.study.report.blocks import Row, Table, numbers, texts


class TestMarkdownOf:
    def test_headings_best_values_and_the_note(self) -> None:
        """A heading fills its row, a best value is bold, and a pipe in a name does not end a cell."""
        rows = (Row(("Per crop",), heading=True), Row(("a|b", "0.9"), frozenset({1})))
        table = Table(None, "Scores", (*texts("Arm"), *numbers("F1")), rows, "Of aberrations.")

        assert [
            "**Scores**",
            "",
            "| Arm | F1 |",
            "| --- | ---: |",
            "| **Per crop** |  |",
            "| a\\|b | **0.9** |",
            "",
            "Of aberrations.",
        ] == markdown_of(table).splitlines()


class TestRowsOf:
    def test_numbers_stand_to_the_right(self) -> None:
        """All but the first column."""
        assert ["| a | b |", "| --- | ---: |", "| x | 1 |"] == rows_of(["a", "b"], [["x", "1"]]).splitlines()
