from __future__ import annotations

from dataclasses import replace

import pytest

from models.study.arms import ALL_ARMS, arms_of
from models.study.comparisons import QUESTIONS, comparisons_of, pairs_of, reference_among
from tests.support.study_scores import run_of, scores_of


class TestPairs:
    def test_hold_each_arm_against_the_reference_and_answer_the_questions(self) -> None:
        """Twenty arms against the reference, and every question, each once."""
        pairs = pairs_of(arms_of(ALL_ARMS), "augmented")

        assert len(pairs) == len(set(pairs)) == len(ALL_ARMS) - 1 + len(QUESTIONS)
        assert ("augmented", "augmented") not in pairs

    def test_ask_nothing_of_arms_that_did_not_run(self) -> None:
        """A question that is already the reference's is not asked twice."""
        assert (("real-bbdm", "real"),) == pairs_of(arms_of(["real", "real-bbdm"]), "real")


class TestReference:
    def test_is_the_first_arm_where_the_wanted_one_did_not_run(self) -> None:
        """Something has to be compared with."""
        arms = arms_of(["real", "real-bbdm"])

        assert "real" == reference_among(arms, "augmented")
        assert "real-bbdm" == reference_among(arms, "real-bbdm")

    def test_needs_an_arm(self) -> None:
        """A study of nothing has no reference."""
        with pytest.raises(ValueError, match="without arms"):
            reference_among((), "augmented")


class TestComparisons:
    PAIRS = (("augmented", "real"),)

    def test_of_every_condition_split_unit_and_metric(self) -> None:
        """Left-out groups are compared only where there are some."""
        runs = [run_of("all", arm, seed) for arm in ("real", "augmented") for seed in (0, 1)]
        runs += [run_of("without-C15", arm, 0, left_out=True) for arm in ("real", "augmented")]

        found = comparisons_of(runs, self.PAIRS, num_resamples=20)

        assert [
            ("all", "val"),
            ("all", "test"),
            *(("without-C15", s) for s in ("val", "test", "left_out")),
        ] == [*dict.fromkeys((one["condition"], one["split"]) for one in found)]
        assert 5 * 2 * 4 == len(found)
        assert {2, 1} == {one["seeds"] for one in found}
        assert {"group", "chromosome within group"} == {one["resampled"] for one in found}

    def test_do_not_depend_on_who_finished_first(self) -> None:
        """Entries are the same for runs in another order."""
        runs = [run_of("all", arm, seed) for arm in ("real", "augmented") for seed in (0, 1, 2)]

        forward, backward = (comparisons_of(one, self.PAIRS, num_resamples=20) for one in (runs, runs[::-1]))

        assert forward == backward

    def test_leave_out_a_split_that_nobody_opened(self) -> None:
        """Without scores of test there is no comparison on test."""
        runs = [replace(run_of("all", arm, 0), test=None) for arm in ("real", "augmented")]

        assert {"val"} == {one["split"] for one in comparisons_of(runs, self.PAIRS, num_resamples=5)}

    def test_leave_out_a_pair_of_which_one_did_not_run(self) -> None:
        """A condition may have fewer arms than another."""
        assert [] == comparisons_of([run_of("all", "real", 0)], self.PAIRS, num_resamples=5)

    def test_refuse_runs_that_scored_different_crops(self) -> None:
        """Their difference would be one of the crops."""
        other = replace(run_of("all", "augmented", 0), val=scores_of(0, count=100))

        with pytest.raises(ValueError, match="the same crops"):
            comparisons_of([run_of("all", "real", 0), other], self.PAIRS, num_resamples=5)
