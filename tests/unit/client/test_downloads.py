from __future__ import annotations

import stat
from pathlib import Path

import pytest

from client.downloads import write_whole
from client.errors import ConnectionFailedError, InvalidArgumentError, LocalFileError, ProblemError
from client.http import Client
from tests.fakes.tiny_service import Answer, TinyService


class TestDownload:
    def test_saves_the_bytes(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """The file holds what the service sent; its folder is made."""
        service.first("GET", "/v1/images/i/content", Answer(body=b"original"))

        path = client.download_image("i", tmp_path / "new" / "a.tif")

        assert path.read_bytes() == b"original"

    def test_a_broken_download_leaves_no_file(
        self, client: Client, service: TinyService, tmp_path: Path
    ) -> None:
        """Half a file never carries the name of a whole one."""
        service.first("GET", "/v1/images/i/content", Answer(body=b"x" * 1000, drop=400))

        with pytest.raises(ConnectionFailedError):
            client.download_image("i", tmp_path / "a.tif")

        assert list(tmp_path.iterdir()) == []

    def test_a_refusal_leaves_the_old_file(self, client: Client, tmp_path: Path) -> None:
        """An error does not replace what is there."""
        (tmp_path / "a.png").write_bytes(b"old")

        with pytest.raises(ProblemError):
            client.download_artifact("segmenter", "none", "1", tmp_path / "a.png")

        assert (tmp_path / "a.png").read_bytes() == b"old"

    @pytest.mark.parametrize(
        ("name", "path"),
        [
            ("m.tif", "masks.tif"),
            ("m.TIFF", "masks.tif"),
            ("m.geojson", "masks.geojson"),
            ("m.zip", "rois.zip"),
        ],
    )
    def test_the_suffix_chooses_the_kind_of_masks(
        self, client: Client, service: TinyService, tmp_path: Path, name: str, path: str
    ) -> None:
        """Labels, polygons or ImageJ regions."""
        client.download_masks("i", tmp_path / name, job="job_1")

        assert f"/v1/images/i/{path}" == service.requests[0].path
        assert service.requests[0].query == {"job": "job_1"}

    def test_refuses_other_kinds_of_masks(self, client: Client, tmp_path: Path) -> None:
        """An unknown suffix is said, with the known ones."""
        with pytest.raises(InvalidArgumentError, match="geojson"):
            client.download_masks("i", tmp_path / "m.png")


class TestWriteWhole:
    def test_makes_files_as_public_as_others(self, tmp_path: Path) -> None:
        """The mode is that of any new file, not that of a private temporary one."""
        (tmp_path / "usual").touch()

        written = write_whole(tmp_path / "a", [b"1", b"2"])

        assert stat.S_IMODE((tmp_path / "usual").stat().st_mode) == stat.S_IMODE(written.stat().st_mode)

    def test_says_where_it_cannot_write(self, tmp_path: Path) -> None:
        """A file in the place of a folder is named."""
        (tmp_path / "file").touch()

        with pytest.raises(LocalFileError, match=r"file/a: \w+"):
            write_whole(tmp_path / "file" / "a", [b""])
