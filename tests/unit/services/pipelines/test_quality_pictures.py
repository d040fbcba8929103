from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.quality.diversity import PAIRS, POSITION_EDGES, Diversity
from services.pipelines.quality_pictures import (
    MAX_STRIPS,
    diversity_png,
    histograms_png,
    ssim_png,
    strips_png,
)

BLUE, ORANGE, GREY = (43, 95, 168), (217, 114, 43), (58, 58, 58)


def decoded(png: bytes) -> NDArray[np.uint8]:
    """Return the picture as (H, W, 3), red first."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return cast("NDArray[np.uint8]", picture[..., ::-1])


def pixels_of(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> int:
    """Count the pixels of exactly this colour."""
    return int((picture == colour).all(axis=-1).sum())


def painted(*colours: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return one canvas (3, 16, 16) of each colour."""
    return np.stack([np.broadcast_to(np.uint8(colour)[:, None, None], (3, 16, 16)) for colour in colours])


class TestSsim:
    def test_draws_every_generator_and_the_yardstick(self) -> None:
        """Each set has its own colour on one figure."""
        rng = np.random.default_rng(0)

        picture = decoded(
            ssim_png({"bbdm": rng.random(50), "painted": rng.random(30) / 2}, rng.random(20) / 2 + 0.5)
        )

        assert (420, 1100, 3) == picture.shape
        assert min(pixels_of(picture, colour) for colour in (BLUE, ORANGE, GREY)) > 100

    @pytest.mark.parametrize("values", [[0.5], [0.5, 0.5], [0.4, float("nan")], [float("nan")], []])
    def test_sets_without_a_density_are_drawn(self, values: list[float]) -> None:
        """One value, equal values, gaps and nothing at all give a picture."""
        picture = decoded(ssim_png({"bbdm": np.array(values)}))

        assert (420, 1100, 3) == picture.shape
        assert pixels_of(picture, BLUE) > 20


class TestHistograms:
    def test_draws_channels_side_by_side(self) -> None:
        """A line for each generator over the real set."""
        flat = np.full((3, 256), 1 / 256)

        picture = decoded(histograms_png({"real": flat, "bbdm": flat * 0.5, "painted": flat * 0.7}))

        assert (340, 1100, 3) == picture.shape
        thirds = [picture[:, start : start + 350] for start in (20, 380, 740)]
        assert min(pixels_of(third, colour) for third in thirds for colour in (BLUE, ORANGE)) > 100


class TestDiversity:
    def test_bars_are_shares(self) -> None:
        """Twice as many crops of the same pairs give the same bars."""
        one = Diversity((3, 1, 0, 0, 0, 0), (1, 0, 0, 0), np.arange(6), np.ones(2), np.ones(1))
        two = Diversity((6, 2, 0, 0, 0, 0), (2, 0, 0, 0), 2 * np.arange(6), np.ones(2), np.ones(1))
        assert (len(one.pairs), len(one.positions)) == (len(PAIRS), len(POSITION_EDGES) - 1)

        first, second = (diversity_png({"real": one, "bbdm": other}) for other in (one, two))

        assert first == second
        assert pixels_of(decoded(first), BLUE) > 1000

    def test_an_empty_set_has_no_bars(self) -> None:
        """Nothing is divided by nothing."""
        none = Diversity((0,) * 6, (0,) * 4, np.zeros(6, np.int64), np.empty(0), np.empty(0))

        assert (400, 1100, 3) == decoded(diversity_png({"real": none})).shape


class TestStrips:
    def test_columns_stand_side_by_side(self) -> None:
        """Every crop is drawn once in its colour, enlarged by a whole factor without smoothing."""
        red, green = painted((255, 0, 0), (200, 0, 0)), painted((0, 255, 0), (0, 200, 0))

        picture = decoded(strips_png({"source": red, "synthetic": green}, ["a", "b"], "two"))

        for colour in ((255, 0, 0), (200, 0, 0), (0, 255, 0), (0, 200, 0)):
            assert 128 * 128 == pixels_of(picture, colour)

    def test_no_more_than_the_first_are_drawn(self) -> None:
        """A long list is cut."""
        many = painted(*[(255, 0, 0)] * (MAX_STRIPS + 5))

        picture = decoded(strips_png({"synthetic": many}, ["$x$"] * len(many), "many"))

        assert MAX_STRIPS * 128 * 128 == pixels_of(picture, (255, 0, 0))

    def test_nothing_leaves_the_title(self) -> None:
        """Without crops a sentence stands alone on a low picture."""
        picture = decoded(strips_png({"synthetic": painted((1, 2, 3))[:0]}, [], "None was found"))

        assert picture.shape[0] < 64
        assert picture.max() > 200

    def test_missing_captions_are_refused(self) -> None:
        """As many captions as crops."""
        with pytest.raises(ValueError, match="1 captions"):
            strips_png({"synthetic": painted((1, 2, 3), (4, 5, 6))}, ["a"], "two")
