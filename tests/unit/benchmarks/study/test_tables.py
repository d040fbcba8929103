"""What the results page gets out of studies."""

from __future__ import annotations

import pytest

from benchmarks.study.tables import BEGIN, END, PageError, filled, page_part, tables_of
from services.pipelines.study.report.reading import Reading
from tests.support.study_results import results


class TestTablesOf:
    def test_every_condition_has_scores_and_two_differences(self) -> None:
        """On known lines and on left-out ones: scores, against the reference, against the remedy."""
        captions = [table.caption for table in tables_of(Reading(results()))]

        for split in ("(test)", "(left out)"):
            mine = [caption for caption in captions if caption.endswith(split)]
            assert any("Every arm, per crop" in caption for caption in mine)
            assert any("Real augmented”" in caption for caption in mine)
            assert any("Real augmented, over-sampled”" in caption for caption in mine)
        assert "Filters side by side" in captions
        assert "Time" in captions
        assert any(caption.startswith("Fewer aberrations") for caption in captions)

    def test_a_small_study_has_fewer_tables(self) -> None:
        """One arm and one condition have nothing to compare and no curve."""
        told = tables_of(Reading(results(conditions=("all",), arms=("augmented",), seeds=(0,))))
        captions = [table.caption for table in told]

        assert [
            "The paper's arms, beside its numbers (test)",
            "Every arm, per crop and per chromosome (test)",
        ] == captions[:2]
        assert not any("gainst" in caption or "Fewer" in caption for caption in captions)


class TestPagePart:
    def test_each_study_has_a_heading(self) -> None:
        """Two studies stand one below the other, each with its data set."""
        small = results(conditions=("all",), arms=("augmented",))
        text = page_part([small, small])

        assert 2 == text.count("### adir-study: `adir/1`, size full, seeds 0, 1, 2")

    def test_a_note_is_told_once(self) -> None:
        """What an interval is need not stand below every table of differences."""
        text = page_part([results(conditions=("all",))])

        assert 2 == text.count("gainst “Real augmented")
        assert 1 == text.count("In brackets: 95 % interval")

    @pytest.mark.parametrize("mark", ["simulated", "proves_nothing"])
    def test_what_is_no_real_result_is_refused(self, mark: str) -> None:
        """Nothing simulated and nothing of a quick study gets onto the page."""
        made = results(conditions=("all",), arms=("augmented",))
        made["study"][mark] = True

        with pytest.raises(PageError, match=mark):
            page_part([made])


class TestFilled:
    def test_replaces_what_stands_between_the_markers(self) -> None:
        """What is written by hand stays."""
        page = f"# Title\n\n{BEGIN}\nold\n{END}\n\nAfter.\n"

        assert f"# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nAfter.\n" == filled(page, "new")
        assert filled(page, "new") == filled(filled(page, "old"), "new")

    @pytest.mark.parametrize(
        "page", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}"]
    )
    def test_a_page_without_the_markers_is_refused(self, page: str) -> None:
        """Nothing is written into a page that has no place for it."""
        with pytest.raises(PageError, match="begin: tables"):
            filled(page, "new")
