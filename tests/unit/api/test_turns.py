"""Requests that take several cores, a few at a time."""

from __future__ import annotations

import asyncio

import pytest

from api.errors import status_of
from api.turns import BusyError, Turns


async def _work(turns: Turns, seen: list[int]) -> None:
    """Hold a turn for a moment, and note how many do."""
    async with turns.one():
        seen[0] += 1
        seen[1] = max(seen)
        await asyncio.sleep(0.01)
        seen[0] -= 1


class TestTurns:
    def test_lets_a_few_work_at_once(self) -> None:
        """The others wait, and all get their turn."""
        seen = [0, 0]

        async def everybody() -> None:
            turns = Turns(at_once=2)
            await asyncio.gather(*(_work(turns, seen) for _ in range(9)))

        asyncio.run(everybody())

        assert [0, 2] == seen

    def test_impatience(self) -> None:
        """Whoever waits too long is told to come again, and takes nobody's place."""

        async def two() -> None:
            turns = Turns(at_once=1, patience_s=0.02)
            async with turns.one():
                with pytest.raises(BusyError, match="fewer at once"):
                    await turns.one().__aenter__()
            async with turns.one():
                pass

        asyncio.run(two())

    def test_a_failure_gives_the_turn_back(self) -> None:
        """A request that was refused must not hold its place for ever."""

        async def failing() -> None:
            turns = Turns(at_once=1, patience_s=0.02)
            for _ in range(3):
                with pytest.raises(ZeroDivisionError):
                    async with turns.one():
                        raise ZeroDivisionError

        asyncio.run(failing())

    def test_status(self) -> None:
        """It is no fault of the caller, and trying again is right."""
        assert 503 == status_of(BusyError("Busy."))
