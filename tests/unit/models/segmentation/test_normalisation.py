from __future__ import annotations

import numpy as np
import pytest
from cellpose.transforms import normalize99

from models.segmentation import normalisation
from models.segmentation.normalisation import levels, normalise


class TestNormalise:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    def test_agrees_with_cellpose(self, dtype: type[np.generic]) -> None:
        """The percentiles are those of Cellpose's normalize99, whatever the pixel type."""
        plane = np.random.default_rng(0).integers(0, 250, (40, 50)).astype(dtype)

        np.testing.assert_allclose(normalize99(plane.astype(np.float32)), normalise(plane), atol=1e-6)

    @pytest.mark.parametrize("value", [0, 7, 65535])
    def test_constant_plane_becomes_zeros(self, value: int) -> None:
        """Without contrast there is nothing to stretch."""
        plane = np.full((8, 9), value, np.uint16)

        np.testing.assert_array_equal(np.zeros((8, 9), np.float32), normalise(plane))

    def test_sampled_levels_are_close_to_exact_ones(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A grid of pixels gives the percentiles of a large plane within a grey level or two."""
        plane = np.random.default_rng(0).normal(1000.0, 50.0, (600, 700)).astype(np.float32)
        exact = levels(plane)

        monkeypatch.setattr(normalisation, "SAMPLED_PX", 20_000)

        np.testing.assert_allclose(exact, levels(plane), atol=4.0)
