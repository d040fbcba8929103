from __future__ import annotations

from tests.support.study_scores import run_of


class TestFinishedRun:
    def test_has_a_place_of_its_own(self) -> None:
        """Condition, arm and seed."""
        assert ("all", "real", 2) == run_of("all", "real", 2).place

    def test_tells_the_splits_that_there_are(self) -> None:
        """Validation first; left-out groups only where there are some."""
        assert ["val", "test"] == list(run_of("all", "real", 0).splits)
        assert ["val", "test", "left_out"] == list(run_of("all", "real", 0, left_out=True).splits)
