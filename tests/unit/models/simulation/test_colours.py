"""A crop's own colour."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.simulation.colours import Colour, body_of, colour_of, levels_of

Shapes = dict[str, NDArray[np.bool_]]


class TestColourOf:
    @pytest.mark.parametrize(
        ("red", "green", "colour"),
        [
            (190, 50, "red"),
            (50, 190, "green"),
            (190, 180, "yellow"),
            (60, 70, "none"),
            (90, 20, "red"),
            (240, 120, "red"),
        ],
    )
    def test_paint_is_bright_and_not_far_below_the_other_channel(
        self, red: float, green: float, colour: Colour
    ) -> None:
        """Weak paint counts where it is all there is, bleed-through beside strong paint does not."""
        assert colour == colour_of(np.array([red, green, 120.0]))

    def test_a_crop_without_fluorescence_has_no_colour(self) -> None:
        """That is something else than a measured chromosome without paint."""
        assert colour_of(np.array([0.0, 0.0, 150.0])) is None


class TestBodyOf:
    def test_leaves_the_rim_out(self, shapes: Shapes) -> None:
        """Two pixels of it, where grey levels fall off."""
        body = body_of(shapes["rod"])

        assert (8 - 4) * (40 - 4) == np.count_nonzero(body)

    def test_keeps_what_is_all_rim(self, shapes: Shapes) -> None:
        """A speck has no body besides itself."""
        np.testing.assert_array_equal(shapes["speck"], body_of(shapes["speck"]))


class TestLevelsOf:
    def test_medians_of_the_body_alone(self, shapes: Shapes) -> None:
        """One bright pixel and all that lies beside change nothing."""
        canvas = np.zeros((3, 48, 48), np.uint8)
        canvas[:, shapes["rod"]] = np.array([[10], [20], [30]])
        canvas[:, 24, 24] = 255
        canvas[:, 0] = 99

        assert [10, 20, 30] == levels_of(canvas, body_of(shapes["rod"])).tolist()
