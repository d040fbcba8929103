"""Coordinates along a chromosome."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import rotate

from models.simulation.axis import axis_of

Shapes = dict[str, NDArray[np.bool_]]


class TestAxisOf:
    def test_a_straight_rod_is_measured_by_its_columns(self, shapes: Shapes) -> None:
        """From one end to the other in pixels, and 0 across in the middle."""
        axis = axis_of(shapes["rod"])
        rows, cols = np.nonzero(shapes["rod"])

        assert axis.length_px == pytest.approx(39, abs=0.5)
        along = axis.along_px if axis.along_px[0] < axis.length_px / 2 else axis.length_px - axis.along_px
        np.testing.assert_allclose(along, cols - 4, atol=0.5)
        np.testing.assert_allclose(np.abs(axis.across_px), np.abs(rows - 23.5), atol=0.5)

    @pytest.mark.parametrize("angle", [7, 23, 45, 68])
    def test_length_does_not_depend_on_the_direction(self, shapes: Shapes, angle: float) -> None:
        """A turned rod is as long as before, within its corners."""
        turned = rotate(shapes["rod"].astype(float), angle, reshape=False, order=1) > 0.5

        assert axis_of(turned).length_px == pytest.approx(40, abs=2)

    def test_a_bent_chromosome_is_followed_round_its_bend(self, shapes: Shapes) -> None:
        """The two tips of a U, 16 px apart, are its two ends."""
        axis = axis_of(shapes["bent"])
        pixels = np.argwhere(shapes["bent"])
        first, second = (axis.along_px[(pixels == tip).all(axis=1)].item() for tip in ([8, 14], [8, 30]))

        assert abs(first - second) > 0.85 * axis.length_px
        assert axis.length_px > 60

    def test_directions_are_the_gradient_of_the_coordinate(self, shapes: Shapes) -> None:
        """One pixel further in that direction lies one further along."""
        axis = axis_of(shapes["rod"])
        steps = np.diff(axis.along_px.reshape(8, 40), axis=1)

        np.testing.assert_allclose(axis.directions.reshape(8, 40, 2)[:, 1:, 1], steps, atol=0.1)
        np.testing.assert_allclose(np.hypot(*axis.directions.T), 1)

    def test_pieces_of_one_chromosome_keep_their_distance(self, shapes: Shapes) -> None:
        """What another chromosome hides counts as length."""
        assert axis_of(shapes["rod"]).length_px == pytest.approx(axis_of(shapes["pieces"]).length_px, abs=1)

    @pytest.mark.parametrize("shape", ["disc", "speck"])
    def test_a_round_chromosome_has_an_axis(self, shapes: Shapes, shape: str) -> None:
        """It is as long as the shape is wide."""
        axis = axis_of(shapes[shape])

        assert axis.length_px == pytest.approx(np.ptp(np.argwhere(shapes[shape])[:, 1]), abs=1.5)
        assert np.isfinite(axis.across_px).all()

    def test_one_pixel_has_no_length(self) -> None:
        """Nothing fails, and nothing lies anywhere else."""
        mask = np.zeros((8, 8), np.bool_)
        mask[3, 3] = True

        assert axis_of(mask).length_px == 0

    def test_refuses_an_empty_mask(self) -> None:
        """There is nothing to measure."""
        with pytest.raises(ValueError, match="mask is empty"):
            axis_of(np.zeros((8, 8), np.bool_))
