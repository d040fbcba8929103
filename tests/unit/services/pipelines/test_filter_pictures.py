from __future__ import annotations

from dataclasses import replace
from typing import cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.pipelines.filter_pictures import ABERRATION, INK, KEPT, NORMAL, REJECTED, plot
from tests.support.mapped import map_data, scores_at, series_at


def decoded(png: bytes) -> NDArray[np.uint8]:
    """Return the picture as (H, W, 3), red first."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return cast("NDArray[np.uint8]", picture[..., ::-1])


def pixels_of(picture: NDArray[np.uint8], colour: str) -> int:
    """Count the pixels of a colour, also where it lies half transparent on white."""
    wanted = 255.0 - np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    darkness = 255.0 - picture
    opacity = darkness @ wanted / (wanted @ wanted)
    apart = np.abs(darkness - opacity[..., None] * wanted).max(axis=-1)
    return int(((apart < 8) & (opacity > 0.5) & (opacity < 1.1)).sum())


class TestPlot:
    def test_a_fitted_filter_is_one_panel(self) -> None:
        """Both real classes and the ellipse, and no verdict on anything."""
        picture = decoded(plot(map_data(candidates=0)))

        assert min(pixels_of(picture, colour) for colour in (NORMAL, ABERRATION, INK)) > 200
        assert 0 == pixels_of(picture, REJECTED)

    def test_candidates_are_drawn_before_and_after(self) -> None:
        """Three panels side by side; what is rejected is in the middle one alone."""
        picture = decoded(plot(map_data()))

        above_legend = picture[: int(picture.shape[0] * 0.85)]
        thirds = np.array_split(above_legend, 3, axis=1)
        rejected = [pixels_of(third, REJECTED) for third in thirds]
        assert rejected[1] > 100
        assert (0, 0) == (rejected[0], rejected[2])
        assert 0 == pixels_of(thirds[0], KEPT)
        assert min(pixels_of(third, KEPT) for third in thirds[1:]) > 100
        assert picture.shape[1] > 2 * decoded(plot(map_data(candidates=0))).shape[1]

    def test_other_rules_show_the_level_needed(self) -> None:
        """Without an ellipse colour tells how far from being kept a candidate is."""
        picture = decoded(plot(map_data(mixture=None)))

        assert 0 == pixels_of(picture, REJECTED)
        assert pixels_of(picture, "#fee838") > 100  # the upper end of the colour bar

    def test_the_gate_counts(self) -> None:
        """A second gate leaves fewer points in the last panel."""
        assert plot(map_data()) != plot(map_data(max_percentile=50.0))

    def test_is_the_same_picture_again(self) -> None:
        """The same map is the same bytes."""
        assert plot(map_data()) == plot(map_data())

    @pytest.mark.parametrize("level", [0.0, 1.0])
    def test_the_ends_of_the_scale_are_drawn(self, level: float) -> None:
        """Nothing kept and everything kept are pictures, too."""
        assert decoded(plot(replace(map_data(), level=level))).shape[0] > 300

    def test_series_without_crops_and_dollar_signs_are_drawn(self) -> None:
        """A job with nothing of a kind, or a name like a formula, is no reason to fail."""
        empty = series_at("synthetic", "candidate", scores_at((0.0, 0.0), 0, 0))
        few = series_at("real aberration", "aberration", scores_at((3.0, 1.0), 3, 0))

        picture = decoded(plot(replace(map_data(), title="$x$ 100 % \\frac", series=[few, empty])))

        assert picture.shape[0] > 300
