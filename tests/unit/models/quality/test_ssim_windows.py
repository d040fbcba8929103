from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from models.quality.ssim_windows import WINDOW, Moments, index_against


class TestMoments:
    def test_sums_are_those_of_a_box_filter(self) -> None:
        """Whole windows only, exact integers."""
        canvases = np.random.default_rng(0).integers(0, 256, (2, 3, 12, 12)).astype(np.uint8)
        boxes = ndimage.correlate(canvases.astype(np.int64), np.ones((1, 1, WINDOW, WINDOW), int))
        expected = boxes[:, :, 3:-3, 3:-3].transpose(1, 2, 3, 0)

        assert (expected == Moments.of(canvases).sums).all()

    def test_area_table_ends_with_the_index_against_black(self) -> None:
        """Its last corner is the sum over all windows."""
        canvas = np.random.default_rng(1).integers(0, 256, (1, 3, 12, 12)).astype(np.uint8)
        moments = Moments.of(canvas)
        table = moments.area_table()

        expected = index_against(np.zeros((3, 12, 12), np.uint8), moments, table)[0]

        assert pytest.approx(expected * moments.sums[..., 0].size) == table[-1, -1, 0]


class TestIndexAgainst:
    def test_one_lit_pixel_at_any_place_is_found(self) -> None:
        """Windows at a corner and at an edge are not forgotten."""
        others = np.random.default_rng(2).integers(0, 256, (3, 3, 10, 10)).astype(np.uint8)
        moments = Moments.of(others)
        for place in ((0, 0), (9, 9), (0, 5), (4, 9)):
            canvas = np.zeros((3, 10, 10), np.uint8)
            canvas[(slice(None), *place)] = 200
            own = Moments.of(canvas[None])

            back = [
                index_against(other, own, own.area_table())[0] for other in others
            ]  # all windows, not only the lit ones

            assert back == pytest.approx(index_against(canvas, moments, moments.area_table()), abs=1e-6)
