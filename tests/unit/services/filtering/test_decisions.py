from __future__ import annotations

import pytest

from services.filtering.decisions import Decision


class TestDecision:
    @pytest.mark.parametrize(
        ("level", "limit", "expected"),
        [
            (None, None, Decision(0.6, 95.0)),
            (0.0, None, Decision(0.0, 95.0)),
            (None, 50.0, Decision(0.6, 50.0)),
            (1.0, 0.0, Decision(1.0, 0.0)),
            (None, 100.0, Decision(0.6, None)),
        ],
    )
    def test_what_is_left_out_stays(
        self, level: float | None, limit: float | None, expected: Decision
    ) -> None:
        """Zero is a value, and a percentile of a hundred is no limit."""
        assert expected == Decision(0.6, 95.0).moved(level, limit)

    def test_no_limit_stays_none(self) -> None:
        """However it was said before."""
        assert Decision(0.6, None) == Decision(0.6, None).moved(None, None)
        assert Decision(0.6, None) == Decision(0.6, 100.0).moved(None, None)
