from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from client.channel_rules import plan_upload
from client.records import Image
from client.resuming import KnownImages, sha256_of_set
from services.images.layout import ChannelSource, Layout
from services.images.repository import NewImage, StoredSource
from tests.fakes.tiny_service import image

RULE = {"dapi": "*_dapi.tif", "red": "*_red.tif"}


def sha(content: bytes) -> str:
    """Hash bytes."""
    return hashlib.sha256(content).hexdigest()


def known(sha256: str, channels: list[str]) -> Image:
    """Build an image that the service has."""
    return Image.model_validate(image("img_1", "S1", "m", sha256) | {"channels": channels})


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """Two grey files of one metaphase."""
    (tmp_path / "m_dapi.tif").write_bytes(b"blue")
    (tmp_path / "m_red.tif").write_bytes(b"red")
    return tmp_path


class TestKnownImages:
    def test_finds_a_single_file(self, tmp_path: Path) -> None:
        """A file whose hash the sample has need not be sent."""
        (tmp_path / "a.tif").write_bytes(b"abc")
        (unit,) = plan_upload([tmp_path], None).units

        assert KnownImages([known(sha(b"abc"), ["dapi"])], None).find(unit) == "img_1"
        assert KnownImages([known(sha(b"abd"), ["dapi"])], None).find(unit) is None

    def test_finds_a_metaphase_of_several_files(self, pair: Path) -> None:
        """The set is known by its files and what they are used for."""
        (unit,) = plan_upload([pair], RULE).units
        identity = sha256_of_set([("red", sha(b"red")), ("dapi", sha(b"blue"))])

        assert KnownImages([known(identity, ["red", "dapi"])], RULE).find(unit) == "img_1"

    def test_sends_the_same_files_under_another_rule(self, pair: Path) -> None:
        """Swapping two channels makes another image."""
        identity = sha256_of_set([("red", sha(b"red")), ("dapi", sha(b"blue"))])
        swapped = {"dapi": "*_red.tif", "red": "*_dapi.tif"}
        (unit,) = plan_upload([pair], swapped).units

        assert KnownImages([known(identity, ["red", "dapi"])], swapped).find(unit) is None

    def test_sends_what_is_incomplete(self, pair: Path) -> None:
        """A metaphase that lacks a channel goes to the service, which says so."""
        (pair / "m_red.tif").unlink()
        (unit,) = plan_upload([pair], RULE).units

        assert KnownImages([known(sha(b"blue"), ["red", "dapi"])], RULE).find(unit) is None

    def test_cannot_tell_planes_apart(self, tmp_path: Path) -> None:
        """With plane numbers the file's hash says too little, so it is sent."""
        (tmp_path / "a.tif").write_bytes(b"abc")
        (unit,) = plan_upload([tmp_path], {"dapi": 1}).units

        assert KnownImages([known(sha(b"abc"), ["dapi"])], {"dapi": 1}).find(unit) is None


class TestSha256OfSet:
    @pytest.mark.parametrize("channels", [("dapi",), ("red", "dapi"), ("red", "green", "dapi")])
    def test_is_the_services_own(self, channels: tuple[str, ...]) -> None:
        """The service gives an image of several files exactly this hash."""
        sources = tuple(StoredSource(c, f"key/{c}", sha(c.encode()), 3) for c in channels)
        layout = Layout(tuple(ChannelSource(c, c, 0) for c in channels), 10, 10, 8)
        theirs = NewImage("m", sources, layout, None).sha256

        assert theirs == sha256_of_set([(c, sha(c.encode())) for c in channels])
