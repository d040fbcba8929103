"""Conditions of a study: which there are, and what they are called."""

from __future__ import annotations

from models.study.conditions import ALL, conditions_of


class TestConditionsOf:
    def test_the_whole_comes_first(self) -> None:
        """Then left-out groups in their order, then counts from small to large."""
        found = conditions_of({"zebra": ["b", "a"], "ape": ["c"]}, [20, 5])

        assert [ALL, "without-zebra", "without-ape", "aberrations-5", "aberrations-20"] == [
            one.name for one in found
        ]
        assert ("a", "b") == found[1].left_out_groups
        assert [None, None, None, 5, 20] == [one.max_aberrations for one in found]

    def test_there_is_always_the_whole(self) -> None:
        """Even where nothing else is asked for."""
        assert [ALL] == [one.name for one in conditions_of({}, ())]
