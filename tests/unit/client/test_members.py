from __future__ import annotations

from typing import Any

import pytest

from client.members import members, number


class TestMembers:
    def test_an_object_is_itself(self) -> None:
        """Nothing is copied or changed."""
        assert {"a": 1} == members({"a": 1})

    @pytest.mark.parametrize("value", [None, [], "text", 1])
    def test_anything_else_has_none(self, value: Any) -> None:
        """A service of another version is no reason to fail."""
        assert {} == members(value)


class TestNumber:
    def test_reads_what_is_one(self) -> None:
        """Whole or not."""
        assert [2.0, 0.5] == [number(2), number(0.5)]

    @pytest.mark.parametrize("value", [None, "1", [1], {}])
    def test_anything_else_is_none(self, value: Any) -> None:
        """Text is not read as a number."""
        assert number(value) is None
