from __future__ import annotations

import random

import pytest
from pydantic import ValidationError

from services.config import Settings
from services.webhooks.schedule import JITTER, next_pause_s, pauses_of

DEFAULT = pauses_of(Settings(_env_file=None).webhook_pauses_s)


def pauses(attempts: int, retry_after_s: float = 0.0) -> list[float | None]:
    rng = random.Random(1)
    return [next_pause_s(attempts, DEFAULT, retry_after_s, rng) for _ in range(200)]


class TestNextPause:
    def test_ten_attempts_in_three_days(self) -> None:
        """A receiver that is down over a long weekend still gets the message; then it is given up."""
        tried = [next_pause_s(attempts, DEFAULT, 0, random.Random(1)) for attempts in range(1, 11)]

        assert None not in tried[:9]
        assert tried[9] is None
        assert 72 <= sum(DEFAULT) / 3600 <= 80

    def test_pauses_are_scattered(self) -> None:
        """Messages that failed at one moment do not come back at one moment."""
        found = [pause for pause in pauses(2) if pause is not None]

        assert 200 == len(set(found))
        assert 300 * (1 - JITTER) <= min(found) < max(found) <= 300 * (1 + JITTER)

    def test_receiver_may_ask_for_more_time_but_not_for_ever(self) -> None:
        """Retry-After is kept to where it is longer than the pause, up to a day."""
        assert {900.0} == set(pauses(2, retry_after_s=900))
        assert {86_400.0} == set(pauses(2, retry_after_s=1e9))
        assert max(p for p in pauses(3, retry_after_s=1) if p) > 1


class TestPauses:
    @pytest.mark.parametrize("text", ["", "5,", "a", "0", "-1", "nan", "inf", "90000", "5;300"])
    def test_nonsense_stops_the_start(self, text: str) -> None:
        """A wrong list is found out at once, not at the first message that fails."""
        with pytest.raises(ValidationError, match="WEBHOOK_PAUSES_S"):
            Settings(_env_file=None, webhook_pauses_s=text)
