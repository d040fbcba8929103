from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.segmentation.windows import Stitcher, Window, windows


class TestWindows:
    def test_small_image_is_one_window(self) -> None:
        """An image that fits is never cut."""
        assert [Window(slice(0, 517), slice(0, 645))] == list(windows((517, 645), 1024, 200))

    @given(st.integers(1, 500), st.integers(1, 500), st.integers(60, 200), st.integers(0, 30))
    @settings(max_examples=50, deadline=None)
    def test_windows_cover_every_pixel_and_overlap(
        self, height: int, width: int, side_px: int, overlap_px: int
    ) -> None:
        """Every pixel lies in a window, none is too large, and neighbours share enough."""
        covered = np.zeros((height, width), int)
        rows = set()
        for window in windows((height, width), side_px, overlap_px):
            covered[window.rows, window.cols] += 1
            rows.add((window.rows.start, window.rows.stop))
            assert window.rows.stop - window.rows.start <= side_px

        ordered = sorted(rows)
        shared = [first[1] - second[0] for first, second in pairwise(ordered)]
        assert covered.min() >= 1
        assert all(s >= overlap_px for s in shared)


class TestStitcher:
    @pytest.mark.parametrize("centre", range(20, 81, 4))
    def test_instance_at_any_place_is_found_once_and_whole(self, centre: int) -> None:
        """Wherever an object lies against the seams, it comes out once with all its pixels."""
        truth = np.zeros((40, 100), np.int32)
        truth[10:25, centre - 8 : centre + 8] = 1
        stitcher = Stitcher((40, 100))

        for window in windows((40, 100), 50, 24):
            stitcher.add(window, truth[window.rows, window.cols])

        np.testing.assert_array_equal(truth, (stitcher.masks > 0).astype(np.int32))
        assert stitcher.masks.max() == 1

    def test_instance_at_the_edge_of_the_image_is_kept(self) -> None:
        """The image's own edge is no seam."""
        truth = np.zeros((30, 30), np.int32)
        truth[:9, :9] = 1
        stitcher = Stitcher((30, 30))

        taken = stitcher.add(Window(slice(0, 30), slice(0, 30)), truth)

        assert taken == {1: 1}
        np.testing.assert_array_equal(truth, stitcher.masks)

    def test_two_views_of_one_clump_add_only_what_is_missing(self) -> None:
        """If the next window cuts an object otherwise, pixels that are taken stay as they are."""
        stitcher = Stitcher((40, 60))
        first, second = np.zeros((40, 40), np.int32), np.zeros((40, 40), np.int32)
        first[10:20, 24:34] = 1  # columns 24 to 34 of the image
        second[10:20, 11:31] = 1  # columns 31 to 51: three of them are taken
        stitcher.add(Window(slice(0, 40), slice(0, 40)), first)

        taken = stitcher.add(Window(slice(0, 40), slice(20, 60)), second)

        assert taken == {1: 2}
        assert np.count_nonzero(stitcher.masks == 1) == 100
        assert np.count_nonzero(stitcher.masks == 2) == 170
