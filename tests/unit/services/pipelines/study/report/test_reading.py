"""How a study's results are looked up, judged and written as numbers."""

from __future__ import annotations

from typing import Any

import pytest

from services.pipelines.study.report.reading import (
    Reading,
    difference,
    duration,
    fixed,
    interval_of,
    judged,
    share,
    signed,
    spread,
)
from tests.support import study_results


def comparison(**changes: Any) -> dict[str, Any]:
    """Return a difference of three seeds."""
    given: dict[str, Any] = {"difference": 0.03, "seeds": 3, "better_seeds": 3}
    intervals = {"both": [0.01, 0.05], "over_slides": [0.02, 0.04], "over_seeds": [0.005, 0.055]}
    return {**given, **intervals, **changes}


class TestJudged:
    def test_both_intervals_have_to_agree(self) -> None:
        """A difference is shown where slides and seeds drawn, and seeds alone, leave zero out."""
        assert judged(comparison()) == "better"
        assert judged(comparison(both=[-0.05, -0.01], over_seeds=[-0.06, -0.001])) == "worse"

    @pytest.mark.parametrize("seeds", [[-0.01, 0.07], [0.0, 0.06]])
    def test_seeds_that_disagree_leave_it_unsure(self, seeds: list[float]) -> None:
        """Few seeds make the resampled interval too narrow, so nothing is claimed from it alone."""
        assert judged(comparison(over_seeds=seeds)) == "unsure"

    def test_zero_within_is_open(self) -> None:
        """An interval with zero in it shows no difference, at its ends as well."""
        assert judged(comparison(both=[-0.01, 0.05])) == "open"
        assert judged(comparison(both=[0.0, 0.05])) == "open"

    @pytest.mark.parametrize(
        "given",
        [
            None,
            comparison(both=None, over_slides=None, over_seeds=None),
            comparison(both=[None, None], over_slides=None, over_seeds=None),
            comparison(seeds=1),
        ],
    )
    def test_nothing_follows_from_no_interval_or_one_seed(self, given: dict[str, Any] | None) -> None:
        """Two networks differ; that says nothing about two ways of training."""
        assert judged(given) == "unknown"

    def test_the_interval_that_holds_most_is_taken(self) -> None:
        """Slides and seeds before slides, slides before seeds."""
        assert interval_of(comparison()) == ((0.01, 0.05), "both")
        assert interval_of(comparison(both=None)) == ((0.02, 0.04), "over_slides")
        assert interval_of(comparison(both=None, over_slides=None)) == ((0.005, 0.055), "over_seeds")
        assert interval_of(None) == (None, "")


class TestNumbers:
    def test_a_spread_reads_as_in_the_paper(self) -> None:
        """Mean and deviation, the mean alone of one seed, a dash for none."""
        assert spread({"mean": 0.8371, "std": 0.0123, "count": 3}) == "0.84\u00a0±\u00a00.01"
        assert spread({"mean": 0.8371, "std": None, "count": 1}) == "0.84"
        assert spread({"mean": None, "std": None, "count": 0}) == "\u2013"
        assert spread(None) == "\u2013"

    def test_a_difference_has_its_sign_and_interval(self) -> None:
        """A plus or a true minus, and the interval in brackets."""
        assert difference(comparison(both=[-0.0041, 0.0582])) == "+0.030 [\u22120.004,\u00a00.058]"
        none = {"both": None, "over_slides": None, "over_seeds": None}
        assert difference(comparison(difference=-0.03, **none)) == "\u22120.030"
        assert difference(None) == "\u2013"

    def test_nothing_is_minus_zero(self) -> None:
        """What rounds to zero has no sign."""
        assert fixed(-0.0004, 3) == signed(0.0004) == signed(-0.0004) == "0.000"

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (0.4, "0.40 s"),
            (42, "42 s"),
            (600, "10 min"),
            (5399, "90 min"[:0] + "1 h 30 min"),
            (None, "\u2013"),
        ],
    )
    def test_times_have_the_unit_that_suits_them(self, seconds: float | None, text: str) -> None:
        """Seconds, minutes, hours."""
        assert duration(seconds) == text

    def test_a_share_of_nothing_is_none(self) -> None:
        """No division by zero."""
        assert share(3, 0) == share(None, 4) == "\u2013"
        assert share(1, 8) == "12.5 %"


class TestReading:
    def test_test_scores_are_told_where_there_are_any(self) -> None:
        """Without them validation stands in."""
        assert Reading(study_results.results(seeds=(0,))).split == "test"
        assert Reading(study_results.results(seeds=(0,), test=False)).split == "val"

    def test_conditions_are_told_apart(self) -> None:
        """Lines left out, and fewer aberrations from the fewest on."""
        reading = Reading(study_results.results(seeds=(0,)))
        assert reading.left_out == ["without-C15"]
        assert reading.limited == ["aberrations-50", "aberrations-150", "aberrations-450"]

    def test_what_is_not_there_is_none(self) -> None:
        """An empty study answers every look-up."""
        reading = Reading({})
        assert reading.summary("all", "real", split="test") is None
        assert reading.comparison("real", "augmented", split="test") is None
        assert reading.counts("all", "test") == {}
        assert (reading.seeds, reading.reference, reading.split) == (0, "", "val")
