"""The seam to the broker: send a job's id, and count the ids that wait."""

from __future__ import annotations

from typing import Protocol


class Dispatcher(Protocol):
    """Carries job ids to workers. Losing or doubling one is harmless; the sweep and the claim see to it."""

    def send(self, job_id: str, queue: str, priority: int) -> None:
        """Hand over an id; raises `BrokerAwayError` within seconds if that is not possible now."""
        ...

    def waiting(self, queue: str) -> int:
        """Count the ids in a queue that no worker has taken yet; raises `BrokerAwayError`."""
        ...

    def check(self) -> None:
        """Raise `BrokerAwayError` unless the broker answers."""
        ...


class NullDispatcher:
    """Sends nothing: jobs stay queued until a sweep with another dispatcher."""

    def send(self, job_id: str, queue: str, priority: int) -> None:
        """Drop the message."""

    def waiting(self, queue: str) -> int:  # noqa: ARG002 - the seam's signature
        """Return 0, so that a sweep finds every queued job unsent."""
        return 0

    def check(self) -> None:
        """Do nothing: there is no broker to be away."""
