from __future__ import annotations

import time

import pytest

from services.datasets.patterns import parse_group_pattern
from services.errors import InvalidInputError


class TestGroupPattern:
    @pytest.mark.parametrize(
        ("pattern", "stem", "group"),
        [
            ("{group}_*", "A02_0153", "A02"),
            ("{group}_*", "A02_01_53", "A02"),
            ("{group}", "A02", "A02"),
            ("*-{group}", "x-A02-y", "A02-y"),
            ("cell{group}.*", "cell17.green", "17"),
            ("{group}_red", "a_red_b_red", "a_red_b"),
            ("*_{group}_red", "x_a_red", "a"),
            ("{group}_*", "A02", ""),
            ("{group}_*", "_0153", ""),
            ("cell{group}", "sell17", ""),
            ("{group}_red", "a_green", ""),
            ("{group}aa", "a", ""),
            ("a{group}a", "a", ""),
        ],
    )
    def test_finds_the_group(self, pattern: str, stem: str, group: str) -> None:
        """The group stands for as little text as the rest allows; no match is empty."""
        assert group == parse_group_pattern(pattern).find(stem)

    @pytest.mark.parametrize(
        "pattern", ["", "*", "{group}{group}", "{group}*", "**{group}", "{group}" + "x" * 100]
    )
    def test_refuses_what_is_ambiguous(self, pattern: str) -> None:
        """There is one group, and wildcards do not touch."""
        with pytest.raises(InvalidInputError, match="exactly one"):
            parse_group_pattern(pattern)

    def test_time_does_not_run_away(self) -> None:
        """A pattern full of stars is as quick as any, unlike a regular expression."""
        pattern = parse_group_pattern("{group}" + "a*" * 40 + "b")
        started = time.perf_counter()

        assert "" == pattern.find("a" * 50_000)
        assert time.perf_counter() - started < 0.5
