"""Tables that spreadsheets open and do not run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.spreadsheets import csv_pieces


def lines(*pages: list[dict[str, Any]]) -> list[str]:
    """Lines of a table with the columns a and b."""
    return b"".join(csv_pieces(["a", "b"], pages)).decode().split("\r\n")


class TestCsvPieces:
    def test_head_and_rows(self) -> None:
        """Rows of all pages follow the head, once each; what is missing is an empty cell."""
        assert ["a,b", "1,x", "2,", ""] == lines([{"a": 1, "b": "x"}], [{"a": 2, "b": None}])

    def test_no_rows(self) -> None:
        """A table without rows has a head."""
        assert ["a,b", ""] == lines()

    def test_pages_are_sent_as_they_come(self) -> None:
        """Nothing waits for the last page."""

        def pages() -> Any:
            yield [{"a": 1, "b": 2}]
            raise RuntimeError("the second page was asked for")

        assert b"a,b\r\n1,2\r\n" == next(csv_pieces(["a", "b"], pages()))

    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
    def test_formulas_are_disarmed(self, text: str) -> None:
        """Text that a spreadsheet would run has an apostrophe before it."""
        assert f"'{text}" in b"".join(csv_pieces(["a"], [[{"a": text}]])).decode()

    def test_numbers_stay_numbers(self) -> None:
        """A negative number is none, and all its digits are there; times are in RFC 3339."""
        at = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)

        assert ["a,b", "-0.1,2026-11-02T08:00:00+00:00", ""] == lines([{"a": -0.1, "b": at}])
