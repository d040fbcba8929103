"""When a message is tried again, and when an endpoint is given up."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

LONGEST_PAUSE_S: Final = 86_400.0
# So that messages which failed together do not come back together.
JITTER: Final = 0.1
GIVE_UP_ENDPOINT_AFTER: Final = timedelta(days=5)
KEEP_ENDED_FOR: Final = timedelta(days=30)


def pauses_of(text: str) -> tuple[float, ...]:
    """Read pauses in seconds, separated by commas.

    Raises
    ------
    ValueError
        There is none, or one is no number above zero and at most a day.
    """
    try:
        pauses = tuple(float(part) for part in text.split(","))
    except ValueError:
        pauses = ()
    if not pauses or not all(math.isfinite(one) and 0 < one <= LONGEST_PAUSE_S for one in pauses):
        raise ValueError(
            "WEBHOOK_PAUSES_S holds seconds separated by commas, each above 0 and at most 86400."
        )
    return pauses


def next_pause_s(
    attempts: int, pauses: Sequence[float], retry_after_s: float, rng: random.Random
) -> float | None:
    """Return how long to wait after so many attempts; None if that was the last.

    A receiver that asks for more time gets it, up to a day.
    """
    if attempts > len(pauses):
        return None
    pause_s = pauses[attempts - 1] * rng.uniform(1 - JITTER, 1 + JITTER)
    return max(pause_s, min(retry_after_s, LONGEST_PAUSE_S))
