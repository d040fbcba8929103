from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.config import Settings
from services.embedded.children import (
    MAX_RESTARTS,
    RESTART_WINDOW_S,
    Child,
    Program,
    environment_of,
    programs,
)
from services.embedded.errors import EngineFailedError


@dataclass
class Clock:
    """A clock that is moved by hand."""

    now_s: float = 1000.0

    def read(self) -> float:
        """What the child sees."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def failing(tmp_path: Path, clock: Clock) -> Child:
    """A child whose module does not exist, so that it ends at once."""
    return Child(Program("broken", "no_such_module"), tmp_path / "broken.log", {}, now=clock.read)


def die_once(child: Child) -> None:
    """Start the child, wait for its end, and let the supervision notice."""
    child.start()
    assert child._process is not None
    child._process.wait(10)
    child.supervise()


class TestChild:
    def test_is_not_started_again_before_its_back_off_is_over(self, failing: Child, clock: Clock) -> None:
        """A process that dies at once does not spin."""
        die_once(failing)
        failing.supervise()
        before = failing._process
        clock.now_s += 0.6
        failing.supervise()

        assert before is None
        assert failing._process is not None
        failing.stop(1.0)

    def test_back_off_doubles(self, failing: Child, clock: Clock) -> None:
        """Each death in a row is followed by a longer pause."""
        pauses = []
        for _ in range(3):
            die_once(failing)
            pauses.append(failing._start_at_s - clock.now_s)

        assert [0.5, 1.0, 2.0] == pauses

    def test_is_given_up_with_the_end_of_its_log(self, failing: Child) -> None:
        """What cannot live is reported with the reason it gave, not restarted for ever."""
        for _ in range(MAX_RESTARTS):
            die_once(failing)

        with pytest.raises(EngineFailedError, match="No module named no_such_module"):
            die_once(failing)

    def test_deaths_long_ago_are_forgiven(self, failing: Child, clock: Clock) -> None:
        """A process that dies once a day is always started again."""
        for _ in range(2 * MAX_RESTARTS):
            die_once(failing)
            clock.now_s += RESTART_WINDOW_S + 1

        assert 1 == len(failing._deaths_s)


class TestEnvironmentOf:
    def test_gives_the_children_exactly_our_settings(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Settings made in code reach the processes through their environment."""
        settings = Settings(
            _env_file=None,
            data_dir=tmp_path,
            database_url=SecretStr("postgresql+psycopg://u:p%40ss@/db?host=%2Ftmp"),
            require_api_key=True,
            lease_s=7,
            retry_backoff_s=0.25,
        )
        for name, value in environment_of(settings).items():
            monkeypatch.setenv(name, value)

        assert settings == Settings(_env_file=None)


class TestPrograms:
    def test_worker_listens_to_the_configured_queues(self) -> None:
        """A renamed queue is still served on one machine."""
        settings = Settings(_env_file=None, gpu_queue="g", cpu_queue="c")
        worker = next(program for program in programs(settings) if program.name == "worker")

        assert ("--queues", "g,c", "--concurrency", "1") == worker.arguments

    def test_interpreter_is_our_own(self, failing: Child) -> None:
        """The children run in the same environment as the supervisor."""
        failing.start()
        assert failing._process is not None

        assert sys.executable == failing._process.command.arguments[0]
        failing.stop(1.0)
