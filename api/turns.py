"""Turns at work that takes several cores: so many requests at once, and the others wait for theirs.

Whoever waits holds no thread and no connection, so that all other requests go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final

from fastapi import Depends, Request

from api.forms import ScoreBody
from services.errors import TransientError

SCORINGS_AT_ONCE: Final = 2
PATIENCE_S: Final = 30.0


class BusyError(TransientError):
    """Too many others ask for the same."""

    code = "busy"
    title = "The service is busy"


class Turns:
    """Lets a limited number of requests of one process work at the same time.

    Parameters
    ----------
    patience_s
        Longest wait for a turn.
    """

    def __init__(self, at_once: int = SCORINGS_AT_ONCE, patience_s: float = PATIENCE_S) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._patience_s = patience_s

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a turn and keep it until the block is left.

        Raises
        ------
        BusyError
            None came in time.
        """
        try:
            async with asyncio.timeout(self._patience_s):
                await self._free.acquire()
        except TimeoutError as error:
            raise BusyError(
                f"Others were scored for {self._patience_s:g} s before it was this request's turn; send it "
                "again, and fewer at once."
            ) from error
        try:
            yield
        finally:
            self._free.release()


async def _scoring_turn(request: Request, _: ScoreBody) -> AsyncIterator[None]:
    """Wait for a turn once the body is here: a slow sender must not keep others waiting."""
    turns: Turns = request.app.state.scoring_turns
    async with turns.one():
        yield


# It ends before the answer is sent, so that a slow reader does not keep others waiting either.
ScoringTurn = Annotated[None, Depends(_scoring_turn, scope="function")]
