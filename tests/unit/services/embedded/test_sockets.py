from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from services.embedded.errors import DataDirNotOursError
from services.embedded.sockets import LONGEST_SOCKET_NAME, MAX_SOCKET_PATH_BYTES, socket_directory


@pytest.fixture(autouse=True)
def temporary_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the socket folders where the test can look at them."""
    root = tmp_path / "t"
    root.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(root))
    monkeypatch.setattr("services.embedded.sockets.MAX_SOCKET_PATH_BYTES", 4096)
    return root


class TestSocketDirectory:
    def test_is_private(self, tmp_path: Path) -> None:
        """Nobody else may enter the folder of the sockets."""
        directory = socket_directory(tmp_path / "var")

        assert 0o700 == directory.stat().st_mode & 0o777

    def test_is_the_same_for_every_spelling_of_one_data_directory(self, tmp_path: Path) -> None:
        """A relative and an absolute path lead to the same sockets."""
        (tmp_path / "a").mkdir()

        assert socket_directory(tmp_path / "var") == socket_directory(tmp_path / "a" / ".." / "var")

    def test_differs_between_data_directories(self, tmp_path: Path) -> None:
        """Two services on one machine do not share sockets."""
        assert socket_directory(tmp_path / "one") != socket_directory(tmp_path / "two")

    def test_refuses_a_folder_that_others_may_write_to(self, tmp_path: Path) -> None:
        """A folder somebody prepared under our name is not used."""
        socket_directory(tmp_path / "var").chmod(0o777)

        with pytest.raises(DataDirNotOursError):
            socket_directory(tmp_path / "var")

    def test_refuses_a_link(self, tmp_path: Path, temporary_root: Path) -> None:
        """A link to a folder elsewhere is not followed."""
        directory = socket_directory(tmp_path / "var")
        directory.rmdir()
        directory.symlink_to(temporary_root)

        with pytest.raises(DataDirNotOursError):
            socket_directory(tmp_path / "var")

    def test_stays_short_below_a_deep_temporary_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A temporary folder whose path is too long for sockets is passed over."""
        deep = tmp_path / ("d" * 100)
        deep.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(deep))
        monkeypatch.setattr("services.embedded.sockets.MAX_SOCKET_PATH_BYTES", MAX_SOCKET_PATH_BYTES)
        directory = socket_directory(tmp_path / ("v" * 200) / "var")
        directory.rmdir()

        assert len(os.fsencode(directory / LONGEST_SOCKET_NAME)) <= MAX_SOCKET_PATH_BYTES
