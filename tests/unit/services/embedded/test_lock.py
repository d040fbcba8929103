from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.embedded.errors import DataDirInUseError
from services.embedded.lock import DirectoryLock


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.embedded.lock.RELEASE_GRACE_S", 0.0)


class TestDirectoryLock:
    def test_second_holder_is_told_who_the_first_is(self, tmp_path: Path) -> None:
        """The message names the process to look at."""
        DirectoryLock(tmp_path / "lock", "Redis").acquire()

        with pytest.raises(DataDirInUseError, match=f"by process {os.getpid()}") as caught:
            DirectoryLock(tmp_path / "lock", "Redis").acquire()
        assert "data_dir_in_use" == caught.value.code

    def test_can_be_taken_again_after_release(self, tmp_path: Path) -> None:
        """A stopped engine leaves nothing that bars the next start."""
        first = DirectoryLock(tmp_path / "lock", "Redis")
        first.acquire()
        first.release()
        second = DirectoryLock(tmp_path / "lock", "Redis")

        assert second.acquire() > 0

    def test_stays_taken_while_an_inheriting_process_lives(self, tmp_path: Path) -> None:
        """An engine that outlives its supervisor still keeps others off its data."""
        lock = DirectoryLock(tmp_path / "lock", "Redis")
        descriptor = lock.acquire()
        engine = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(descriptor,)
        )
        lock.release()
        try:
            with pytest.raises(DataDirInUseError):
                DirectoryLock(tmp_path / "lock", "Redis").acquire()
        finally:
            engine.communicate(b"\n")

        assert DirectoryLock(tmp_path / "lock", "Redis").acquire() > 0
