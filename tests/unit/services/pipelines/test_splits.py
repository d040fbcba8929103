"""Splits by slide."""

from __future__ import annotations

import numpy as np

from services.pipelines.splits import split_groups

GROUPS = ["A"] * 5 + ["B"] * 3 + ["C"] * 2 + ["D"] * 10


class TestSplitGroups:
    def test_holds_out_whole_groups_up_to_the_fraction(self) -> None:
        """No slide is on both sides, and the share is not exceeded when it can be kept."""
        held_out = split_groups(GROUPS, 0.5, seed=1)

        assert held_out
        assert sum(group in held_out for group in GROUPS) <= 10

    def test_does_not_depend_on_the_order_of_images(self) -> None:
        """The same lab data give the same split, however they were uploaded."""
        shuffled = list(np.random.default_rng(0).permutation(GROUPS))

        assert split_groups(GROUPS, 0.3, seed=7) == split_groups(shuffled, 0.3, seed=7)

    def test_a_single_group_is_learned_from(self) -> None:
        """One slide cannot be split; nothing is held out."""
        assert frozenset() == split_groups(["A", "A"], 0.5, seed=0)

    def test_something_is_always_left_to_learn_from(self) -> None:
        """Two slides and a large fraction still leave one."""
        assert len(split_groups(["A", "B"], 0.99, seed=0)) == 1

    def test_a_fraction_of_zero_holds_nothing_out(self) -> None:
        """A lab may want every image for training."""
        assert frozenset() == split_groups(GROUPS, 0.0, seed=0)
