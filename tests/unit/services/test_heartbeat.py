"""The heartbeat of a process without a port."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.heartbeat import age_s, beat, main


class TestHeartbeat:
    def test_is_fresh_after_a_touch(self, tmp_path: Path) -> None:
        """A process that goes round is healthy."""
        beat(str(tmp_path / "beat"))

        assert 0 == main([str(tmp_path / "beat")])

    def test_grows_old(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One that hangs is not, and the check says since when."""
        beat(str(tmp_path / "beat"))
        os.utime(tmp_path / "beat", (0, 0))

        assert 1 == main([str(tmp_path / "beat")])
        assert "No heartbeat within 120 s" in capsys.readouterr().out

    def test_was_never_there(self, tmp_path: Path) -> None:
        """A process that has not come up yet is not healthy either."""
        assert age_s(tmp_path / "beat") == float("inf")
        assert 1 == main([str(tmp_path / "beat")])

    def test_is_not_wanted(self) -> None:
        """Without a file nothing happens."""
        beat("")
