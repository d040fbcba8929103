"""From a crop to a canvas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.classification.preprocessing import Preprocessing, PreprocessingError, signal_levels, to_canvas

CHANNELS = ("red", "green", "dapi")
PLAIN = np.tile(np.array([0.0, 255.0], np.float32), (3, 1))


def bar(length: int, width: int = 8, side: int = 140) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a horizontal chromosome whose left half is red and whose right half is green."""
    mask = np.zeros((side, side), np.bool_)
    start = (side - length) // 2
    mask[side // 2 - width // 2 : side // 2 + width // 2, start : start + length] = True
    pixels = np.zeros((3, side, side), np.uint8)
    pixels[0, :, : side // 2] = 200
    pixels[1, :, side // 2 :] = 200
    pixels[2] = 120
    return pixels, mask


class TestPreprocessing:
    def test_comes_back_from_json(self) -> None:
        """A manifest keeps all of it."""
        preprocessing = Preprocessing(80, 1.25, "keep")

        assert preprocessing == Preprocessing.from_json(preprocessing.to_json())

    @pytest.mark.parametrize(
        "wrong", [{"canvas_px": 0}, {"scale": 0.0}, {"scale": float("nan")}, {"background": "blur"}]
    )
    def test_refuses_what_makes_no_canvas(self, wrong: dict[str, object]) -> None:
        """The message names the choices."""
        with pytest.raises(PreprocessingError, match="zero, keep"):
            Preprocessing(**wrong)


class TestSignalLevels:
    @pytest.mark.parametrize("painted", [1, 2, 8, 20])
    def test_white_is_the_paint_and_black_what_lies_beside(self, painted: int) -> None:
        """One painted chromosome of twenty is enough, and a bright nucleus beside changes nothing."""
        pixels = np.full((20, 1, 40, 40), 30, np.uint8)
        masks = np.zeros((20, 40, 40), np.bool_)
        masks[:, 10:30, 10:30] = True
        pixels[:painted, 0, 10:30, 10:30] = 150
        pixels[:, 0, :4, :4] = 255

        ((black, white),) = signal_levels(pixels, masks)

        assert black == pytest.approx(30)
        assert white == pytest.approx(30 + 1.33 * 120, rel=0.05)

    def test_an_unpainted_channel_stays_dark(self) -> None:
        """Noise is not stretched to colours."""
        rng = np.random.default_rng(0)
        pixels = rng.normal(30, 3, (10, 1, 40, 40)).round().astype(np.uint8)
        masks = np.zeros((10, 40, 40), np.bool_)
        masks[:, 10:30, 10:30] = True

        ((black, white),) = signal_levels(pixels, masks)

        assert (float(np.percentile(pixels, 75)) - black) / (white - black) < 0.4

    def test_beyond_the_image_is_no_background(self) -> None:
        """Crops at the edge carry zeros, which nobody photographed."""
        pixels = np.full((4, 2, 20, 20), 50, np.uint8)
        pixels[:, :, :, :10] = 0
        masks = np.zeros((4, 20, 20), np.bool_)
        masks[:, 5:15, 12:18] = True

        assert [50.0, 50.0] == signal_levels(pixels, masks)[:, 0].tolist()

    def test_without_crops_levels_are_neutral(self) -> None:
        """An image without chromosomes is no error."""
        levels = signal_levels(np.zeros((0, 2, 1, 1), np.uint8), np.zeros((0, 1, 1), np.bool_))

        assert [[0.0, 1.0], [0.0, 1.0]] == levels.tolist()


class TestCanvas:
    @pytest.mark.parametrize("length", [12, 40, 78, 120])
    @pytest.mark.parametrize("canvas_px", [48, 64])
    def test_holds_every_chromosome_at_any_angle(self, length: int, canvas_px: int) -> None:
        """Long ones are made smaller: nothing lies outside the circle that a turn keeps."""
        pixels, mask = bar(length)

        canvas = to_canvas(pixels, mask, PLAIN, CHANNELS, Preprocessing(canvas_px, 0.8))

        rows, cols = np.nonzero(canvas[2])
        middle = (canvas_px - 1) / 2
        assert canvas_px / 2 >= np.hypot(rows - middle, cols - middle).max()

    def test_keeps_the_scale_of_those_that_fit(self) -> None:
        """Size tells chromosomes apart, so it is not normalised away."""
        widths = []
        for length in (20, 40):
            canvas = to_canvas(*bar(length), PLAIN, CHANNELS, Preprocessing(64, 1.0))
            widths.append(int(canvas[2].any(axis=0).sum()))

        assert [20, 40] == pytest.approx(widths, abs=1)

    def test_keeps_the_junction(self) -> None:
        """Red on one side, green on the other, also for a short one."""
        canvas = to_canvas(*bar(14), PLAIN, CHANNELS, Preprocessing(64, 0.8)).astype(int)
        left, right = canvas[:, :, :30], canvas[:, :, 34:]

        assert 150 < left[0].max()
        assert 20 > left[1].max()
        assert 150 < right[1].max()
        assert 20 > right[0].max()

    def test_blackens_neighbours_or_keeps_them(self) -> None:
        """The background is a choice."""
        pixels, mask = bar(30)
        zero = to_canvas(pixels, mask, PLAIN, CHANNELS, Preprocessing(64, 0.8, "zero"))
        keep = to_canvas(pixels, mask, PLAIN, CHANNELS, Preprocessing(64, 0.8, "keep"))

        assert 0 == zero[:, :8].max()
        assert 120 == keep[2, :8].min()

    def test_a_missing_colour_is_black(self) -> None:
        """DAPI alone can be embedded too."""
        pixels, mask = bar(30)
        canvas = to_canvas(pixels[2:], mask, PLAIN[:1], ("dapi",), Preprocessing())

        assert 0 == canvas[:2].max()
        assert 100 < canvas[2].max()

    @settings(max_examples=25, deadline=None)
    @given(offset=st.integers(-20, 20), depth=st.sampled_from([np.uint8, np.uint16]))
    def test_does_not_depend_on_where_the_crop_lay(self, offset: int, depth: type) -> None:
        """Packs of other images have other canvases; the picture is the same."""
        pixels, mask = bar(30)
        moved = np.roll(pixels, offset, axis=1).astype(depth)

        expected = to_canvas(pixels, mask, PLAIN, CHANNELS, Preprocessing())

        assert np.array_equal(
            expected, to_canvas(moved, np.roll(mask, offset, axis=0), PLAIN, CHANNELS, Preprocessing())
        )

    def test_an_empty_mask_is_refused(self) -> None:
        """The message says what to do."""
        pixels, mask = bar(30)
        with pytest.raises(PreprocessingError, match="segment the image again"):
            to_canvas(pixels, np.zeros_like(mask), PLAIN, CHANNELS, Preprocessing())
