from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from services.generation.samples import strip_png


def canvases(count: int, colour: int, side: int = 16) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Squares of one channel and DAPI."""
    made = np.zeros((count, 3, side, side), np.uint8)
    made[:, colour, 4:12, 4:12] = 255
    made[:, 2, 4:12, 4:12] = 128
    return made


def picture(content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """(H, W, 3) of a PNG."""
    return np.asarray(Image.open(io.BytesIO(content)))


class TestStripPng:
    def test_shows_the_source_above_what_was_made(self) -> None:
        """From top to bottom: DAPI without colour, the source's red, the synthetic green."""
        drawn = picture(strip_png(canvases(1, 0), canvases(1, 1))).astype(int)
        thirds = np.array_split(drawn[:, 84:], 3)
        red, green = [[third[..., channel].max() for third in thirds] for channel in (0, 1)]

        assert red[0] == green[0] > 100
        assert red[1] > green[1] + 100
        assert green[2] > red[2] + 100

    @pytest.mark.parametrize(
        ("count", "columns", "bands"), [(1, 1, 1), (12, 12, 1), (13, 12, 2), (30, 12, 3)]
    )
    def test_breaks_into_bands(self, count: int, columns: int, bands: int) -> None:
        """Many crops make a higher strip, not a wider one."""
        height, width, _ = picture(strip_png(canvases(count, 0), canvases(count, 1))).shape

        assert (84 + columns * 98, bands * (3 * 98 + 10) - 10) == (width, height)

    def test_same_crops_give_the_same_bytes(self) -> None:
        """A browser that has the picture need not load it again."""
        assert strip_png(canvases(3, 0), canvases(3, 1)) == strip_png(canvases(3, 0), canvases(3, 1))
