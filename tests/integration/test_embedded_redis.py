from __future__ import annotations

from pathlib import Path

import kombu
import psutil
import pytest

from services.embedded.errors import DataDirInUseError
from services.embedded.redis import EmbeddedRedis

pytestmark = [pytest.mark.integration, pytest.mark.own_engines]


def put(url: str, message: str) -> None:
    """Send through the library that Celery uses."""
    with kombu.Connection(url) as connection:
        queue = connection.SimpleQueue("test")
        queue.put(message)
        queue.close()


def get(url: str) -> str:
    """Receive the oldest message."""
    with kombu.Connection(url) as connection:
        queue = connection.SimpleQueue("test")
        message = queue.get(timeout=30)
        message.ack()
        queue.close()
        return str(message.payload)


class TestEmbeddedRedis:
    def test_queued_messages_survive_a_restart(self, tmp_path: Path) -> None:
        """What was sent before the service stopped is received after it started again."""
        data_dir = tmp_path / "a lab" / ("deep" * 30)
        with EmbeddedRedis(data_dir) as redis:
            put(redis.url, "job_1")

        with EmbeddedRedis(data_dir) as redis:
            assert "job_1" == get(redis.url)

    def test_starts_after_it_was_killed(self, tmp_path: Path) -> None:
        """A stale socket and an append-only file without an end are no obstacle."""
        killed = EmbeddedRedis(tmp_path)
        put(killed.start(), "job_1")
        server = psutil.Process(killed.pid)
        server.kill()
        server.wait(10)
        killed.stop()

        with EmbeddedRedis(tmp_path) as redis:
            assert "job_1" == get(redis.url)

    def test_recovers_from_a_torn_last_write(self, tmp_path: Path) -> None:
        """A power cut in the middle of a write costs that write only."""
        with EmbeddedRedis(tmp_path) as redis:
            put(redis.url, "job_1")
        (log,) = tmp_path.rglob("appendonly*.aof")
        with log.open("ab") as stream:
            stream.write(b"*3\r\n$3\r\nSE")

        with EmbeddedRedis(tmp_path) as redis:
            assert "job_1" == get(redis.url)

    def test_listens_on_no_port(self, tmp_path: Path) -> None:
        """Only a private unix socket leads in."""
        with EmbeddedRedis(tmp_path) as redis:
            assert [] == psutil.Process(redis.pid).net_connections(kind="inet")
            assert 0o700 == redis.socket.stat().st_mode & 0o777

    def test_second_server_of_one_directory_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two servers never write the same file, and the first goes on undisturbed."""
        monkeypatch.setattr("services.embedded.lock.RELEASE_GRACE_S", 0.1)
        with EmbeddedRedis(tmp_path) as first:
            with pytest.raises(DataDirInUseError):
                EmbeddedRedis(tmp_path).start()
            put(first.url, "job_1")

            assert "job_1" == get(first.url)

    def test_two_directories_are_served_at_once(self, tmp_path: Path) -> None:
        """Each service on a machine has a broker of its own."""
        with EmbeddedRedis(tmp_path / "one") as one, EmbeddedRedis(tmp_path / "two") as two:
            put(one.url, "to one")
            put(two.url, "to two")

            assert "to one" == get(one.url)
            assert "to two" == get(two.url)
