"""Stopping long work from outside: a callback that is called now and then, and may raise."""

from __future__ import annotations

from collections.abc import Callable

Check = Callable[[], None]


def never_stop() -> None:
    """Let the work go on."""
