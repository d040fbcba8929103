from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from client.retries import RetryPolicy, parse_retry_after


class TestRetryPolicy:
    def test_waits_longer_with_every_attempt(self) -> None:
        """The bound of the wait doubles until it reaches its maximum."""
        policy = RetryPolicy(attempts=10, first_delay_s=1.0, max_delay_s=5.0)

        class Highest(random.Random):
            def uniform(self, a: float, b: float) -> float:
                return max(a, b)

        assert [policy.delay_s(n, None, Highest()) for n in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 5.0]

    def test_spreads_clients(self) -> None:
        """Two clients that failed together do not come back together."""
        policy = RetryPolicy()

        first, second = (policy.delay_s(3, None, random.Random(seed)) for seed in (1, 2))

        assert first != second

    def test_gives_up_after_the_last_attempt(self) -> None:
        """No wait follows the last attempt."""
        assert RetryPolicy(attempts=3).delay_s(3, None, random.Random(0)) is None

    def test_honours_what_the_service_asks_for(self) -> None:
        """A Retry-After is waited for in full, even where our own bound is shorter."""
        delay_s = RetryPolicy(max_delay_s=1.0).delay_s(1, 30.0, random.Random(0))

        assert 30.0 <= delay_s <= 31.0

    def test_does_not_wait_for_an_hour(self) -> None:
        """A wait that no caller would expect ends the attempts."""
        assert RetryPolicy().delay_s(1, 3600.0, random.Random(0)) is None


class TestParseRetryAfter:
    NOW = datetime(2026, 11, 2, 8, 0, 0, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("7", 7.0),
            (" 0 ", 0.0),
            ("Mon, 02 Nov 2026 08:00:30 GMT", 30.0),
            ("Mon, 02 Nov 2026 07:00:00 GMT", 0.0),
            (None, None),
            ("", None),
            ("soon", None),
            ("-3", None),
        ],
    )
    def test_reads_seconds_and_dates(self, header: str | None, seconds: float | None) -> None:
        """A number, an HTTP date, and nothing else."""
        assert seconds == parse_retry_after(header, self.NOW)
