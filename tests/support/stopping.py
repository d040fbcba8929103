"""Something for `check` that stops a training after some batches."""

from __future__ import annotations

from collections.abc import Callable


class StoppedError(Exception):
    """The training was to stop here."""


def stop_after(batches: int) -> Callable[[], None]:
    """Return a check that lets so many batches pass, and raises before the next."""
    left = [None] * batches

    def check() -> None:
        if not left:
            raise StoppedError
        left.pop()

    return check
