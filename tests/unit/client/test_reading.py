from __future__ import annotations

import io
from pathlib import Path

import pytest

from client.channel_rules import LocalFile
from client.errors import LocalFileError
from client.reading import CountingReader, sha256_of


@pytest.fixture
def file(tmp_path: Path) -> LocalFile:
    """A local file of ten bytes."""
    path = tmp_path / "a.tif"
    path.write_bytes(b"0123456789")
    return LocalFile(path, 10)


class TestCountingReader:
    def test_reads_again_from_the_start(self, file: LocalFile) -> None:
        """A repeated request sends the same bytes, and the count starts anew."""
        counts: list[int] = []
        with CountingReader(file, lambda _: counts.append(reader.read_bytes)) as reader:
            first = reader.read(4) + reader.read(100)
            reader.seek(0)
            second = reader.read()

        assert (first, second) == (b"0123456789", b"0123456789")
        assert counts == [4, 10, 10]

    def test_tells_its_size_without_opening(self, file: LocalFile) -> None:
        """Measuring thousands of files opens none of them."""
        file.path.unlink()
        with CountingReader(file, lambda _: None) as reader:
            assert reader.seek(0, io.SEEK_END) == 10
            assert reader.seek(0) == 0

    def test_closes_the_file_at_its_end(self, file: LocalFile) -> None:
        """Only the file that is being sent is open."""
        with CountingReader(file, lambda _: None) as reader:
            reader.read(10)
            reader.read(10)

            assert reader._open is None

    def test_says_which_file_vanished(self, file: LocalFile) -> None:
        """A file that was deleted meanwhile is named."""
        file.path.unlink()

        with CountingReader(file, lambda _: None) as reader, pytest.raises(LocalFileError, match=r"a\.tif"):
            reader.read(1)


class TestSha256Of:
    def test_hashes_the_content(self, file: LocalFile) -> None:
        """As every other tool does."""
        assert sha256_of(file.path) == "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"

    def test_says_which_file_is_missing(self, tmp_path: Path) -> None:
        """A missing file is a named error."""
        with pytest.raises(LocalFileError, match=r"gone\.tif"):
            sha256_of(tmp_path / "gone.tif")
