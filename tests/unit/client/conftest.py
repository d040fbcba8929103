from __future__ import annotations

from collections.abc import Iterator

import pytest

from client.http import Client
from client.retries import RetryPolicy
from tests.fakes.tiny_service import TinyService, running


@pytest.fixture
def service() -> Iterator[TinyService]:
    """A running service of its own for a test."""
    with running() as started:
        yield started


@pytest.fixture
def sleeps() -> list[float]:
    """The waits that a client asked for, none of which took any time."""
    return []


@pytest.fixture
def client(service: TinyService, sleeps: list[float]) -> Iterator[Client]:
    """A client of that service that never really sleeps."""
    retry = RetryPolicy(attempts=3)
    with Client(service.url, timeout_s=5.0, retry=retry, sleep=sleeps.append) as made:
        yield made
