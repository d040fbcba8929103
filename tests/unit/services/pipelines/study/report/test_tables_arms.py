"""Tables of arms, differences, filters, lines left out and the learning curve."""

from __future__ import annotations

import pytest

from services.pipelines.study.report import tables_arms as arms
from services.pipelines.study.report.reading import Reading, difference
from tests.support import study_results


@pytest.fixture(scope="module")
def reading() -> Reading:
    """Return made-up results of three seeds."""
    return Reading(study_results.results())


class TestEveryArm:
    def test_all_arms_stand_in_it_once(self, reading: Reading) -> None:
        """Below headings that say what was done to real crops."""
        table = arms.every_arm(reading)
        assert table is not None
        names = [row.cells[0] for row in table.rows if not row.heading]
        assert sorted(names) == sorted(reading.titles.values())
        assert sum(row.heading for row in table.rows) == 4

    def test_a_range_of_synthetic_crops_is_told(self) -> None:
        """Seeds may learn from different numbers of them."""
        results = study_results.results(arms=("augmented", "augmented-bbdm"))
        runs = [
            one for one in results["runs"] if one["arm"] == "augmented-bbdm" and one["condition"] == "all"
        ]
        runs[0]["train"]["synthetic"] = {"bbdm": 8_000}
        table = arms.every_arm(Reading(results))
        assert table is not None
        assert [row.cells[1] for row in table.rows if not row.heading] == ["\u2013", "8,000 to 9,000"]


class TestDifferences:
    def test_each_pair_has_its_interval(self, reading: Reading) -> None:
        """Per crop and per chromosome, and how many seeds agree."""
        table = arms.differences(reading, arms.FILTERING, "The filter")
        assert table is not None
        pair = reading.comparison(*arms.FILTERING[0], split="test")
        assert table.rows[0].cells[2] == difference(pair)
        assert table.rows[0].cells[4].endswith("of 3")
        assert len(table.rows) == len(arms.FILTERING)

    def test_one_rival_for_all_needs_no_column(self, reading: Reading) -> None:
        """The caption of the table against the reference names it."""
        table = arms.against_reference(reading)
        assert table is not None
        assert "Against" not in [column.title for column in table.columns]
        assert "“Real augmented”" in table.caption
        assert all(len(row.cells) == len(table.columns) for row in table.rows)

    def test_pairs_that_were_not_trained_are_left_out(self) -> None:
        """No pair, no table."""
        reading = Reading(study_results.results(arms=("real", "augmented"), seeds=(0,)))
        assert arms.differences(reading, arms.FILTERING, "The filter") is None

    def test_drawn_chromosomes_are_told(self, reading: Reading) -> None:
        """Such intervals hold less than they seem to."""
        table = arms.left_out(reading, "without-C15")
        assert table is not None
        assert "Left out: C15." in table.note
        assert "chromosomes were drawn within slides" in table.note

    def test_units_that_disagree_are_told_apart(self) -> None:
        """One phrase where they agree, two where they do not."""
        assert arms.shown_of("better", "better") == "better"
        assert arms.shown_of("better", "open") == "better per crop, no difference shown per chromosome"


class TestOthers:
    def test_filters_stand_side_by_side(self, reading: Reading) -> None:
        """With what they let in, and why at that level."""
        table = arms.filters(reading)
        assert table is not None
        assert [row.cells[0] for row in table.rows[:4]] == ["UMAP", "Mahalanobis", "kNN", "Probability"]
        assert "the lowest level that lets in" in table.note

    def test_lines_left_out_stand_beside_known_ones(self, reading: Reading) -> None:
        """The reference has no difference from itself."""
        table = arms.left_out(reading, "without-C15")
        assert table is not None
        reference = next(row.cells for row in table.rows if row.cells[0] == "Real augmented")
        assert reference[-2:] == ("\u2013", "the reference")

    def test_the_curve_goes_from_few_to_all(self, reading: Reading) -> None:
        """Arms that were trained on few alone are compared."""
        table = arms.learning_curve(reading)
        assert table is not None
        headings = [row.cells[0] for row in table.rows if row.heading]
        assert headings[0] == "50 training aberrations"
        assert headings[-1] == "All 1,021 training aberrations"
        assert "Real + CycleGAN" not in {row.cells[0] for row in table.rows}

    def test_an_empty_study_has_none(self) -> None:
        """Each is left out."""
        empty = Reading({})
        assert arms.every_arm(empty) is None
        assert arms.filters(empty) is None
        assert arms.learning_curve(empty) is None
