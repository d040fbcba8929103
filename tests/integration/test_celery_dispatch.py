from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.config import Settings
from services.ids import new_id
from services.jobs.celery_dispatch import CeleryDispatcher, make_queue
from services.jobs.errors import BrokerAwayError
from services.jobs.kinds import PRIORITIES
from tests.support import servers

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.broker(tmp_path_factory.mktemp("broker")) as url:
        yield url


@pytest.fixture
def dispatcher(broker_url: str) -> Iterator[CeleryDispatcher]:
    made = CeleryDispatcher(broker_url)
    yield made
    made.close()


@pytest.fixture
def queues(broker_url: str) -> Iterator[tuple[str, str]]:
    """Two queues that nobody else uses."""
    settings = Settings(
        _env_file=None, broker_url=broker_url, gpu_queue=new_id("queue"), cpu_queue=new_id("queue")
    )
    yield settings.gpu_queue, settings.cpu_queue
    servers.empty(settings)


class TestCeleryDispatcher:
    def test_counts_what_waits_in_each_queue(
        self, dispatcher: CeleryDispatcher, queues: tuple[str, str]
    ) -> None:
        """Messages of every priority count, those of other queues do not."""
        for priority in PRIORITIES:
            dispatcher.send(f"job_{priority}", queues[0], priority)
        dispatcher.send("job_x", queues[1], 0)

        assert (4, 1) == tuple(dispatcher.waiting(queue) for queue in queues)

    def test_counts_nothing_in_a_queue_that_nobody_used(
        self, dispatcher: CeleryDispatcher, queues: tuple[str, str]
    ) -> None:
        """To ask for a queue makes it, as a worker's first look does."""
        assert (0, 0) == tuple(dispatcher.waiting(queue) for queue in queues)

    def test_serves_the_most_urgent_first(
        self, dispatcher: CeleryDispatcher, broker_url: str, queues: tuple[str, str]
    ) -> None:
        """Whatever the order of sending, a worker gets the larger priority first."""
        for priority in sorted(PRIORITIES):
            dispatcher.send(f"job_{priority}", queues[0], priority)
        with dispatcher._connection() as connection:
            queue = connection.SimpleQueue(make_queue(queues[0], broker_url))
            served = [queue.get_nowait().payload[0][0] for _ in PRIORITIES]
            queue.close()

        assert [f"job_{priority}" for priority in sorted(PRIORITIES, reverse=True)] == served

    @pytest.mark.parametrize("url", ["redis+socket://{folder}/nobody.sock", "amqp://127.0.0.1:1//"])
    def test_says_within_seconds_that_the_broker_is_away(self, tmp_path: Path, url: str) -> None:
        """Every question to nobody ends as a `BrokerAwayError`."""
        nowhere = CeleryDispatcher(url.format(folder=tmp_path))
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
        assert dispatcher.check() is None
