"""Identifiers."""

from __future__ import annotations

import re
import time

from services.ids import new_id


class TestNewId:
    def test_carries_its_type(self) -> None:
        """A prefix tells what an id belongs to."""
        assert re.fullmatch(r"img_[0-9a-hjkmnp-tv-z]{26}", new_id("img"))

    def test_sorts_by_time(self) -> None:
        """Later ids sort after earlier ones, so lists need no other order."""
        earlier = new_id("job")
        time.sleep(0.002)

        assert earlier < new_id("job")

    def test_does_not_repeat(self) -> None:
        """Eighty random bits keep ids of one millisecond apart."""
        assert len({new_id("crop") for _ in range(10_000)}) == 10_000
