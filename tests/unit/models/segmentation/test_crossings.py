from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.segmentation.crossings import half_width_of, split_crossings

HALF_WIDTH_PX = 5.5


def bar(centre: tuple[float, float], angle_deg: float, length_px: float) -> NDArray[np.bool_]:
    """A bar 11 px wide, its centre at (x, y), in an image of 100 x 100."""
    ys, xs = np.indices((100, 100))
    cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    along = cos * (xs - centre[0]) + sin * (ys - centre[1])
    across = -sin * (xs - centre[0]) + cos * (ys - centre[1])
    return np.asarray((np.abs(along) <= length_px / 2) & (np.abs(across) <= HALF_WIDTH_PX))


def best_iou(
    parts: tuple[NDArray[np.bool_], ...], truth: NDArray[np.bool_], shared: NDArray[np.bool_]
) -> float:
    """Of the part that fits best, without the pixels that belong to two bars."""
    own = truth & ~shared
    return max(float((p & own).sum() / ((p & ~shared) | own).sum()) for p in parts)


class TestSplitCrossings:
    @pytest.mark.parametrize("angle_deg", [75, 90, 105])
    @pytest.mark.parametrize("turn_deg", [0, 20])
    def test_crossing_bars_become_two(self, angle_deg: float, turn_deg: float) -> None:
        """An X of two bars is taken apart at any angle from 75 degrees."""
        first, second = bar((50, 50), turn_deg, 70), bar((50, 50), turn_deg + angle_deg, 60)

        parts = split_crossings(first | second, HALF_WIDTH_PX)

        assert len(parts) == 2
        assert min(best_iou(parts, bar_, first & second) for bar_ in (first, second)) > 0.7

    def test_end_on_a_bar_becomes_two(self) -> None:
        """A T: one bar ends on another."""
        top, stem = bar((50, 30), 0, 76), bar((50, 56), 90, 54)

        parts = split_crossings(top | stem, HALF_WIDTH_PX)

        assert len(parts) == 2
        assert best_iou(parts, top, top & stem) > 0.85

    def test_parts_are_disjoint_and_complete(self) -> None:
        """No pixel is lost or given twice."""
        shape = bar((50, 50), 0, 70) | bar((50, 50), 80, 60)

        parts = split_crossings(shape, HALF_WIDTH_PX)

        np.testing.assert_array_equal(shape.astype(int), np.sum(parts, axis=0))

    def test_two_crossings_become_three(self) -> None:
        """A bar across two others is split at both places."""
        across, left, right = bar((50, 50), 0, 90), bar((28, 50), 90, 60), bar((72, 50), 90, 60)

        parts = split_crossings(across | left | right, HALF_WIDTH_PX)

        assert len(parts) == 3
        shared = across & (left | right)
        assert min(best_iou(parts, truth, shared) for truth in (across, left, right)) > 0.7

    @pytest.mark.parametrize(
        "shape",
        [
            bar((50, 50), 30, 70),
            bar((40, 50), 0, 50) | bar((62, 66), 70, 45),  # bent
            cv2.circle(np.zeros((100, 100), np.uint8), (50, 50), 30, 1, -1).astype(bool),
            bar((50, 50), 0, 70) | bar((50, 54), 90, 18),  # a bump
        ],
        ids=["bar", "bend", "nucleus", "bump"],
    )
    def test_single_objects_stay_whole(self, shape: NDArray[np.bool_]) -> None:
        """A bar, a bent chromosome, a nucleus and a bump of the outline are not split."""
        parts = split_crossings(shape, HALF_WIDTH_PX)

        assert len(parts) == 1
        np.testing.assert_array_equal(shape, parts[0])

    def test_scale_does_not_matter(self) -> None:
        """At twice the magnification the same cross is split alike."""
        small = bar((50, 50), 0, 70) | bar((50, 50), 75, 60)
        large = small.repeat(2, axis=0).repeat(2, axis=1)

        assert len(split_crossings(large, 2 * HALF_WIDTH_PX)) == len(split_crossings(small, HALF_WIDTH_PX))


class TestHalfWidthOf:
    def test_bar(self) -> None:
        """Half the width of a bar of 11 px."""
        assert half_width_of(bar((50, 50), 0, 70)) == pytest.approx(5.5, abs=0.6)

    def test_nothing_has_no_width(self) -> None:
        """An empty shape is no error."""
        assert half_width_of(np.zeros((4, 4), bool)) == 0.0
