from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.embedded.redis import EmbeddedRedis
from services.jobs.celery_dispatch import CeleryDispatcher
from services.jobs.errors import BrokerAwayError
from services.jobs.kinds import PRIORITIES

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path_factory.mktemp("broker")) as redis:
        yield redis


@pytest.fixture
def dispatcher(broker: EmbeddedRedis) -> Iterator[CeleryDispatcher]:
    made = CeleryDispatcher(broker.url)
    yield made
    made.close()


class TestCeleryDispatcher:
    def test_counts_what_waits_in_each_queue(self, dispatcher: CeleryDispatcher) -> None:
        """Messages of every priority count, those of other queues do not."""
        for priority in PRIORITIES:
            dispatcher.send(f"job_{priority}", "counted", priority)
        dispatcher.send("job_x", "other", 0)

        assert (4, 1, 0) == tuple(dispatcher.waiting(queue) for queue in ("counted", "other", "unknown"))

    def test_serves_the_most_urgent_first(self, dispatcher: CeleryDispatcher) -> None:
        """Whatever the order of sending, a worker gets the larger priority first."""
        for priority in sorted(PRIORITIES):
            dispatcher.send(f"job_{priority}", "ordered", priority)
        with dispatcher._connection() as connection:
            queue = connection.SimpleQueue("ordered")
            served = [queue.get_nowait().payload[0][0] for _ in PRIORITIES]
            queue.close()

        assert [f"job_{priority}" for priority in sorted(PRIORITIES, reverse=True)] == served

    def test_says_within_seconds_that_the_broker_is_away(self, tmp_path: Path) -> None:
        """Every question to nobody ends as a `BrokerAwayError`."""
        nowhere = CeleryDispatcher(f"redis+socket://{tmp_path}/nobody.sock")
        asked = []
        for ask in (
            nowhere.check,
            lambda: nowhere.waiting("cpu"),
            lambda: nowhere.send("job_1", "cpu", 0),
        ):
            with pytest.raises(BrokerAwayError):
                ask()
            asked.append(ask)

        assert 3 == len(asked)

    def test_knows_that_the_broker_is_there(self, dispatcher: CeleryDispatcher) -> None:
        """A check of a living broker returns."""
        dispatcher.check()

        assert 0 == dispatcher.waiting("fresh")
