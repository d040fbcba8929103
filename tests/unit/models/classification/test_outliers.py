"""What is measured of a crop, and what is doubtful about it."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from models.classification.outliers import (
    Measured,
    Outline,
    Reference,
    Usual,
    doubts,
    focus_of,
    outline_of,
    saturated_share,
    several_score,
)

Bools = NDArray[np.bool_]
NOTHING_USUAL = Reference(None, None, None)


def bar(*ends: tuple[int, int], width_px: int = 12) -> Bools:
    """A chromosome drawn through some points (x, y)."""
    canvas = np.zeros((96, 96), np.uint8)
    cv2.polylines(canvas, [np.array(ends, np.int32)], isClosed=False, color=1, thickness=width_px)
    return canvas > 0


STRAIGHT = bar((20, 48), (70, 48))
BENT = bar((20, 30), (48, 60), (76, 30))
CROSSED = bar((20, 48), (70, 48)) | bar((45, 22), (45, 74))
BESIDE = bar((20, 42), (70, 42)) | bar((28, 54), (62, 60))


def lit(mask: Bools, seed: int = 0) -> NDArray[np.uint8]:
    """DAPI of a chromosome with bands and a scanner's noise."""
    rng = np.random.default_rng(seed)
    bands = 110 + 40 * np.sin(np.arange(mask.shape[1]) / 2.5)
    picture = ndimage.gaussian_filter(np.where(mask, bands, 20.0), 0.8)
    return np.clip(picture + rng.normal(0, 3, mask.shape), 0, 255).astype(np.uint8)


class TestUsual:
    def test_outliers_do_not_move_it(self) -> None:
        """One value in five may be anything; the others still say what is usual."""
        values = [1.0, 1.1, 0.9, 1.2, 0.8, 1.0, 1.1, 0.9]
        clean, spoilt = Usual.of(values), Usual.of([*values, 50.0, 60.0])

        assert clean is not None
        assert spoilt is not None
        assert clean.centre == pytest.approx(spoilt.centre, abs=0.1)
        assert spoilt.score(50.0) > 100

    def test_a_few_values_say_nothing(self) -> None:
        """Seven crops have no usual value, and values that are not numbers do not count."""
        assert Usual.of([1.0] * 7 + [math.nan]) is None

    def test_equal_values_have_a_spread(self) -> None:
        """Crops that are all alike do not make each small difference an outlier."""
        usual = Usual.of([2.0] * 20)

        assert usual is not None
        assert 0.5 == pytest.approx(usual.score(2.05))
        assert 0.0 == usual.score(math.nan)


class TestFocus:
    def test_blur_lowers_it(self) -> None:
        """The more a chromosome is blurred, the lower its focus."""
        values = [focus_of(ndimage.gaussian_filter(lit(STRAIGHT), s), STRAIGHT) for s in (0, 1.5, 3, 5)]

        assert sorted(values, reverse=True) == values
        assert values[0] - values[2] > 0.5

    @pytest.mark.parametrize("change", [lambda p: p * 2.0, lambda p: p + 40.0, lambda p: p * 0.3 + 7])
    def test_brightness_and_contrast_do_not_matter(self, change: object) -> None:
        """Exposure and background are no focus."""
        dapi = lit(STRAIGHT).astype(np.float64)

        assert focus_of(dapi, STRAIGHT) == pytest.approx(focus_of(change(dapi), STRAIGHT))  # type: ignore[operator]

    def test_unknown_without_contrast_or_pixels(self) -> None:
        """An empty mask or an even picture has no focus."""
        assert math.isnan(focus_of(np.full((96, 96), 9, np.uint8), STRAIGHT))
        assert math.isnan(focus_of(lit(STRAIGHT), np.zeros((96, 96), np.bool_)))


class TestSaturatedShare:
    def test_the_worst_channel_counts(self) -> None:
        """A crop that is white in one channel is spoilt, whatever the others are."""
        mask = np.zeros((10, 10), np.bool_)
        mask[:4, :5] = True
        pixels = np.zeros((3, 10, 10), np.uint16)
        pixels[1, 0, :5] = 65_535
        pixels[2, 5:] = 65_535  # outside

        assert 0.25 == saturated_share(pixels, mask)
        assert 0.0 == saturated_share(pixels, np.zeros((10, 10), np.bool_))


class TestOutline:
    def test_a_bar(self) -> None:
        """A straight chromosome is as long as it was drawn, and has no notch worth the name."""
        found = outline_of(STRAIGHT)

        assert found is not None
        assert int(STRAIGHT.sum()) == found.area_px
        assert 62 == pytest.approx(found.length_px, abs=3)
        assert found.second_notch_px < 2

    def test_a_bend_has_one_notch_and_a_crossing_two(self) -> None:
        """The second notch tells a bent chromosome from two that meet."""
        bent, crossed = outline_of(BENT), outline_of(CROSSED)

        assert bent is not None
        assert crossed is not None
        assert bent.second_notch_px < 2.5
        assert crossed.second_notch_px > 8

    @pytest.mark.parametrize(
        "mask",
        [np.eye(5, dtype=np.bool_), np.eye(1, dtype=np.bool_), np.ones((1, 7), np.bool_)],
        ids=["diagonal", "point", "line"],
    )
    def test_degenerate_shapes(self, mask: Bools) -> None:
        """A line or a point is measured, not an error."""
        found = outline_of(mask)

        assert found is not None
        assert (int(mask.sum()), 0.0) == (found.area_px, found.second_notch_px)

    def test_nothing(self) -> None:
        """An empty mask has no outline."""
        assert outline_of(np.zeros((4, 4), np.bool_)) is None

    def test_ragged_shapes(self) -> None:
        """Any mask can be measured, even one whose outline touches itself."""
        rng = np.random.default_rng(0)
        found = [outline_of(rng.random((12, 12)) < share) for share in np.linspace(0.05, 0.95, 200)]

        assert all(one is not None and one.second_notch_px >= 0 for one in found)


class TestSeveralScore:
    @pytest.mark.parametrize(
        ("mask", "several"), [(STRAIGHT, False), (BENT, False), (CROSSED, True), (BESIDE, True)]
    )
    def test_shapes(self, mask: Bools, several: bool) -> None:  # noqa: FBT001 - a table
        """Two that cross or lie side by side stand out; one that is straight or bent does not."""
        found = outline_of(mask)

        assert found is not None
        assert several == (several_score(found, float(STRAIGHT.sum())) > 0.75)

    def test_is_the_same_at_any_magnification(self) -> None:
        """Twice the magnification changes nothing."""
        near, far = Outline(900, 50.0, 8.0), Outline(3600, 100.0, 16.0)

        assert several_score(near, 600.0) == pytest.approx(several_score(far, 2400.0))


class TestDoubts:
    AREA = Usual(math.log(500), 0.3)
    FOCUS = Usual(-2.0, 0.2)

    def of(self, area_px: int = 500, focus: float = -2.0, saturated: float = 0.0) -> list[str]:
        """Codes for a straight crop in a selection of others."""
        outline = Outline(area_px, 50.0 * math.sqrt(area_px / 500), 0.5)
        found = doubts(Measured(focus, saturated, outline), Reference(self.AREA, self.FOCUS, None))
        for doubt in found:
            assert abs(doubt.value) > abs(doubt.limit)
            assert doubt.detail
        return [doubt.code for doubt in found]

    def test_a_usual_crop_has_none(self) -> None:
        """Whatever lies within the limits is passed over."""
        assert [] == self.of()

    def test_each_reason(self) -> None:
        """Small, large, blurred and saturated crops are told apart."""
        assert ["area_small"] == self.of(area_px=100)
        assert ["area_large"] == self.of(area_px=2500)
        assert ["out_of_focus"] == self.of(focus=-3.0)
        assert ["saturated"] == self.of(saturated=0.3)
        assert ["area_small", "out_of_focus", "saturated"] == self.of(100, -3.0, 0.5)

    def test_several_chromosomes(self) -> None:
        """A crossing among single chromosomes is named, with its score and the limit."""
        reference = Reference(None, None, Usual(math.log(int(STRAIGHT.sum())), 0.3))
        (doubt,) = doubts(Measured(math.nan, 0.0, outline_of(CROSSED)), reference)

        assert ("several_chromosomes", 0.75) == (doubt.code, doubt.limit)
        assert 0.75 < doubt.value <= 1.0

    def test_without_a_reference_only_saturation_is_told(self) -> None:
        """A few crops have nothing to be compared with."""
        found = doubts(Measured(-9.0, 0.5, outline_of(CROSSED)), NOTHING_USUAL)

        assert ["saturated"] == [doubt.code for doubt in found]

    def test_an_empty_mask_has_no_shape_to_doubt(self) -> None:
        """A crop without pixels is passed over, not an error."""
        reference = Reference(self.AREA, self.FOCUS, self.AREA)

        assert () == doubts(Measured(math.nan, 0.0, None), reference)
