"""When to try a request again, and how long to wait before.

The wait doubles with every attempt and is drawn at random below that bound ("full jitter"), so that a
hundred clients that lost the same service do not all come back in the same instant. A `Retry-After`
of the service counts more than our own guess.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRIED_STATUSES = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long.

    Attributes
    ----------
    attempts
        How often a request is sent at most; 1 never repeats.
    first_delay_s, max_delay_s
        Bounds of the first and of the longest wait of our own.
    max_retry_after_s
        A service that asks for a longer wait is not waited for: its answer is raised.
    """

    attempts: int = 5
    first_delay_s: float = 0.5
    max_delay_s: float = 20.0
    max_retry_after_s: float = 120.0

    def delay_s(self, attempt: int, retry_after_s: float | None, rng: random.Random) -> float | None:
        """Seconds to wait after attempt number `attempt` (from 1), or None to give up."""
        if attempt >= self.attempts:
            return None
        bound_s = min(self.max_delay_s, self.first_delay_s * 2.0 ** (attempt - 1))
        if retry_after_s is None:
            return rng.uniform(0.0, bound_s)
        if retry_after_s > self.max_retry_after_s:
            return None
        # A little jitter on top keeps clients that were told the same second apart.
        return retry_after_s + rng.uniform(0.0, min(bound_s, 1.0))


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a `Retry-After` header, which is a number or an HTTP date; None if neither."""
    if value is None or not value.strip():
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
