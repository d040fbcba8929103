"""The paper's tables in the version of our own data."""

from __future__ import annotations

import pytest

from services.pipelines.study.report import tables
from services.pipelines.study.report.blocks import Table
from services.pipelines.study.report.reading import Reading, spread
from tests.support import study_results


@pytest.fixture(scope="module")
def reading() -> Reading:
    """Return made-up results of three seeds."""
    return Reading(study_results.results())


def row_of(table: Table | None, first: str, heading: str = "") -> tuple[str, ...]:
    """Return the first row that begins so, below a heading if one is named."""
    assert table is not None
    below = not heading
    for row in table.rows:
        below = below or (row.heading and row.cells[0].startswith(heading))
        if below and not row.heading and row.cells[0] == first:
            return row.cells
    pytest.fail(f"no row {first}")


class TestCounts:
    def test_table_1_counts_crops_beside_the_papers(self, reading: Reading) -> None:
        """Crops, chromosomes and slides of each split, and their names below."""
        table = tables.annotated(reading)
        test = ("Test", "3,114", "263", "11.8", "778", "65", "3", "3,114", "263")
        assert row_of(table, "Test") == test
        assert table is not None
        assert "test: A08, B13, D02" in table.note

    def test_table_2_tells_sources(self, reading: Reading) -> None:
        """Crops without annotation stand once, each generator on a line."""
        table = tables.unannotated(reading)
        assert table is not None
        assert table.rows[0].cells == ("The data set's own splits", "31,507", "12", "BBDM", "9,000", "9,000")
        assert table.rows[1].cells[:4] == ("", "", "", "CycleGAN")

    def test_table_4_has_the_umap_filter_alone(self, reading: Reading) -> None:
        """The paper's line stands beside its own generator only."""
        table = tables.filtered(reading)
        assert table is not None
        bbdm, painted = (row.cells[1:] for row in table.rows)
        assert bbdm == ("BBDM", "9,000", "5,120", "56.9 %", "0.50", "31,507", "24,619", "78.1 %")
        assert painted[-3:] == ("\u2013",) * 3


class TestScores:
    @pytest.mark.parametrize(
        ("table", "arm", "title", "papers"),
        [
            (tables.baseline, "augmented", "Real augmented", ("0.83 ± 0.02", "0.78 ± 0.01", "0.81 ± 0.01")),
            (tables.without_augmentation, "real-cyclegan", "Real + CycleGAN", None),
            (tables.with_augmentation, "augmented-bbdm", "Real augmented + BBDM", ("\u2013",) * 3),
        ],
    )
    def test_the_papers_numbers_stand_at_ten_to_one(
        self,
        reading: Reading,
        table: type[tables.Table],
        arm: str,
        title: str,
        papers: tuple[str, ...] | None,
    ) -> None:
        """Its test split has about as many normals to an aberration."""
        made = table(reading)  # type: ignore[call-arg, arg-type]
        cells = row_of(made, title, "Per crop, ten")
        figures = reading.summary("all", arm, split="test", ratio="10:1") or {}
        metrics = ("precision", "recall", "f1", "average_precision")
        assert cells[1:5] == tuple(spread(figures[name]) for name in metrics)
        assert papers is None or cells[5:] == papers
        assert row_of(made, title, "Per chromosome")[5:] == ("",) * 3

    def test_a_best_value_is_bold_only_where_its_interval_says_so(self) -> None:
        """The highest mean alone is not enough."""
        results = study_results.results()
        reading = Reading(results)
        sure = {"both": [0.01, 0.04], "over_seeds": [0.01, 0.04]}
        unsure = {"both": [-0.01, 0.04], "over_seeds": [0.01, 0.04]}
        for changes, expected in ((sure, True), (unsure, False)):
            for one in results["comparisons"]:
                one.update(changes)
            table = tables.with_augmentation(reading)
            assert table is not None
            assert any(row.best for row in table.rows) == expected
            assert ("Bold" in table.note) == expected

    def test_validation_stands_in_where_test_was_not_scored(self) -> None:
        """And the caption says so."""
        table = tables.baseline(Reading(study_results.results(seeds=(0,), test=False)))
        assert table is not None
        assert table.caption.endswith("(validation)")

    def test_an_empty_study_has_no_tables(self) -> None:
        """Each is left out."""
        empty = Reading({})
        made = (tables.annotated, tables.unannotated, tables.filtered, tables.baseline)
        assert [table(empty) for table in made] == [None] * 4
