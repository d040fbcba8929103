from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.quality.histograms import histograms


class TestHistograms:
    def test_distance_is_that_of_scipy(self) -> None:
        """Grey levels inside the masks only, each channel for itself."""
        rng = np.random.default_rng(0)
        first = rng.integers(0, 256, (3, 3, 8, 8)).astype(np.uint8)
        second = rng.integers(40, 200, (2, 3, 8, 8)).astype(np.uint8)
        inside, other = rng.random((3, 8, 8)) < 0.5, rng.random((2, 8, 8)) < 0.5
        expected = [
            stats.wasserstein_distance(first[:, channel][inside], second[:, channel][other])
            for channel in range(3)
        ]

        found = histograms((first, inside), (second, other))

        assert expected == pytest.approx(found.wasserstein)
        assert [1.0, 1.0, 1.0] == pytest.approx(found.generated.sum(axis=1))

    def test_a_shift_is_its_size(self) -> None:
        """Twenty levels brighter are twenty levels apart, in that channel alone."""
        dark = np.full((1, 3, 4, 4), 100, np.uint8)
        bright = dark.copy()
        bright[:, 1] += 20
        mask = np.ones((1, 4, 4), bool)

        assert {"red": 0.0, "green": 20.0, "dapi": 0.0} == histograms(
            (bright, mask), (dark, mask)
        ).distances()

    def test_empty_masks_have_no_distance(self) -> None:
        """None, since there is no pixel to move."""
        canvases, nowhere = np.zeros((1, 3, 4, 4), np.uint8), np.zeros((1, 4, 4), bool)

        found = histograms((canvases, nowhere), (canvases, ~nowhere)).distances()

        assert {"red": None, "green": None, "dapi": None} == found
