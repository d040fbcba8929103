"""Asking parts with a deadline."""

from __future__ import annotations

import threading

from services.errors import TransientError
from services.health import Health, PartHealth, Probe


def fail() -> None:
    raise TransientError("Gone fishing.")


def do_nothing() -> None:
    """Answer at once."""


class TestHealth:
    def test_names_what_is_away(self) -> None:
        """Each part has its own verdict and reason."""
        health = Health({"database": do_nothing, "store": fail})
        parts = health.ask()
        health.close()

        assert [PartHealth("database", True, ""), PartHealth("store", False, "Gone fishing.")] == parts


class TestProbe:
    def test_hanging_part_costs_the_deadline_and_one_thread(self) -> None:
        """A part that hangs is away, however often it is asked, and is not asked again meanwhile."""
        asked, go_on = [], threading.Event()

        def hang() -> None:
            asked.append(1)
            go_on.wait(10)

        probe = Probe("store", hang, timeout_s=0.05)
        outcomes = [probe.outcome(probe.start()) for _ in range(3)]
        go_on.set()
        probe.close()

        assert [False, False, False] == [outcome.ok for outcome in outcomes]
        assert "No answer within 0.05 s." == outcomes[0].detail
        assert [1] == asked
