from __future__ import annotations

import io

import pytest

from benchmarks.fuzz import extremes
from services.images.errors import CorruptFileError
from services.images.formats import inspect_source
from services.images.limits import Limits

SMALL = Limits(max_pixels=10_000, max_decoded_bytes=20_000)


class TestCostlyFiles:
    """Small files that would keep a decoder busy for minutes, or fill its memory."""

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (extremes.shared_entries(directories=60, numbers=10_000), "entries claim"),
            (extremes.wide_tiles(tiles=20, side=64), "tiles are far larger"),
            (extremes.shared_strips(strips=50, size_bytes=1000), "lie upon each other"),
            (extremes.crossed_channels(count=300), "channels"),
            (extremes.many_elements(count=1_050_000), "too long"),
        ],
        ids=["entries", "tiles", "strips", "channels", "elements"],
    )
    def test_tiff_is_refused(self, data: bytes, said: str) -> None:
        """Entries, tiles, strips and descriptions must be in proportion to the picture."""
        with pytest.raises(CorruptFileError, match=said):
            inspect_source(io.BytesIO(data), "a.tif", SMALL)

    @pytest.mark.parametrize(
        ("name", "data", "said"),
        [
            ("a.png", extremes.many_chunks(count=100_001), "chunks"),
            ("a.jpg", extremes.fill_bytes(count=20_001), "segments"),
            ("a.jpg", extremes.many_segments(count=20_001), "segments"),
            ("a.jpg", extremes.many_scans(count=20, side=100), "scans"),
        ],
        ids=["chunks", "fill bytes", "segments", "scans"],
    )
    def test_png_and_jpeg_are_refused(self, name: str, data: bytes, said: str) -> None:
        """Chunks, segments and scans are counted before a decoder goes through them."""
        with pytest.raises(CorruptFileError, match=said):
            inspect_source(io.BytesIO(data), name, SMALL)

    def test_scans_of_a_small_picture_are_cheap(self) -> None:
        """The same JPEG is read where its pixels are few for the limits."""
        info = inspect_source(io.BytesIO(extremes.many_scans(count=20, side=100)), "a.jpg")

        assert (100, 100) == (info.height, info.width)

    def test_planes_that_are_nearly_alike_are_told_apart(self) -> None:
        """A difference in the last pixel is a difference; a copy of an earlier plane is none."""
        info = inspect_source(io.BytesIO(extremes.many_planes(planes=4, side=8)), "a.tif")

        assert (0, 1, 2, 3) == info.distinct_planes
        assert not info.identical_planes

    def test_spaces_after_a_value_are_no_part_of_it(self) -> None:
        """ImageJ's description is read line by line, whatever the lines end with."""
        data = extremes.described("ImageJ=1\nunit=um   \nframes=1  \nspare=" + " " * 1000 + "x\n")

        assert "imagej-tiff" == inspect_source(io.BytesIO(data), "a.tif").format
