from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.segmentation.postprocess import (
    RemovalRules,
    largest_piece,
    measure,
    refine,
    removal_reason,
    roundness_and_solidity,
)

DIAMETER_PX = 26.0
RULES = RemovalRules.of(DIAMETER_PX, None, 0.4)


def disc(radius_px: int, size_px: int = 160) -> NDArray[np.bool_]:
    canvas = np.zeros((size_px, size_px), np.uint8)
    return np.asarray(cv2.circle(canvas, (size_px // 2, size_px // 2), radius_px, 1, -1)).astype(bool)


def image_of(masks: NDArray[np.int32], value: int = 100) -> NDArray[np.uint8]:
    return np.where(masks > 0, value, 10).astype(np.uint8)


def rods() -> NDArray[np.int32]:
    """Two rods of 12 x 40 px that lie apart, (80, 120)."""
    masks = np.zeros((80, 120), np.int32)
    masks[10:22, 10:50] = 1
    masks[40:80, 80:92] = 2
    return masks


class TestRefine:
    def test_rods_are_kept_and_numbered_in_reading_order(self) -> None:
        """Labels become 1..N from the top, whatever they were."""
        masks = np.zeros_like(rods())
        masks[rods() == 1], masks[rods() == 2] = 9, 4

        refined = refine(masks, image_of(masks), RULES)

        np.testing.assert_array_equal(rods(), refined.masks)
        assert [i.label for i in refined.instances] == [1, 2]
        assert refined.removed == {}

    def test_nucleus_and_debris_are_removed_and_counted(self) -> None:
        """A large disc is an interphase nucleus, a few pixels are debris."""
        masks = np.zeros((160, 320), np.int32)
        masks[:, :160][disc(45)] = 1
        masks[20:60, 200:212] = 2
        masks[100:104, 250:256] = 3

        refined = refine(masks, image_of(masks), RULES)

        assert refined.removed == {"nucleus": 1, "debris": 1}
        assert [i.area_px for i in refined.instances] == [480]

    def test_label_that_disagrees_with_the_flows_is_removed(self) -> None:
        """Cellpose's quality check is kept, but what it drops is counted."""
        refined = refine(rods(), image_of(rods()), RULES, {1: 0.1, 2: 0.9})

        assert refined.removed == {"inconsistent_flow": 1}
        assert len(refined.instances) == 1

    def test_zero_switches_the_flow_check_off(self) -> None:
        """As in Cellpose, a threshold of 0 keeps everything."""
        rules = RemovalRules.of(DIAMETER_PX, None, 0.0)

        refined = refine(rods(), image_of(rods()), rules, {1: 0.1, 2: 0.9})

        assert len(refined.instances) == 2

    def test_crossing_is_split_before_the_flow_check(
        self, crossing_bars: tuple[NDArray[np.int32], NDArray[np.int32]]
    ) -> None:
        """One label of two crossing bars becomes two flagged instances, although its flows disagree."""
        masks = ((crossing_bars[0] > 0) | (crossing_bars[1] > 0)).astype(np.int32)

        refined = refine(masks, image_of(masks), RULES, {1: 2.0})

        assert len(refined.instances) == 2
        assert all("overlapping" in i.flags and "touching" in i.flags for i in refined.instances)
        np.testing.assert_array_equal(masks > 0, refined.masks > 0)

    def test_rules_scale_with_the_diameter(self) -> None:
        """What is a chromosome at one magnification is one at twice of it."""
        large = rods().repeat(2, axis=0).repeat(2, axis=1)

        refined = refine(large, image_of(large), RemovalRules.of(2 * DIAMETER_PX, None, 0.4))

        assert len(refined.instances) == 2

    def test_empty_image_has_no_instances(self) -> None:
        """Nothing in, nothing out."""
        refined = refine(np.zeros((20, 30), np.int32), np.zeros((20, 30), np.uint8), RULES)

        assert refined.instances == ()
        assert refined.masks.shape == (20, 30)


class TestLargestPiece:
    def test_holes_are_filled_and_crumbs_dropped(self) -> None:
        """An object is one piece without holes."""
        shape = np.zeros((20, 20), bool)
        shape[2:12, 2:12] = True
        shape[5:7, 5:7] = False
        shape[16:18, 16:18] = True

        piece = largest_piece(shape)

        assert piece.sum() == 100
        assert not piece[16, 16]


class TestRemovalReason:
    def test_area_limit_counts_pixels(self) -> None:
        """`min_area_px` is the smallest area that is kept."""
        shape = np.ones((10, 6), bool)

        assert removal_reason(shape, 0.0, RemovalRules.of(DIAMETER_PX, 60.0, 0.4)) is None
        assert removal_reason(shape, 0.0, RemovalRules.of(DIAMETER_PX, 61.0, 0.4)) == "debris"

    def test_large_sprawling_object_is_a_clump(self) -> None:
        """Beyond eight discs even a shape that is not round is no chromosome."""
        shape = np.ones((60, 120), bool)
        shape[20:, 20:100] = False
        shape = np.pad(shape.repeat(2, axis=0), 2)

        assert removal_reason(shape, 0.0, RULES) == "clump"

    def test_long_chromosome_is_kept(self) -> None:
        """A chromosome of 1,600 px, three times the usual area, is long and not round."""
        assert removal_reason(np.ones((16, 110), bool), 0.0, RULES) is None


class TestRoundnessAndSolidity:
    def test_disc_is_round_and_convex(self) -> None:
        """Both are near 1 for a disc."""
        roundness, solidity = roundness_and_solidity(disc(30))

        assert roundness > 0.95
        assert solidity > 0.97

    def test_cross_is_neither(self) -> None:
        """A cross fills less than half of its convex hull."""
        cross = np.zeros((61, 61), bool)
        cross[25:36], cross[:, 25:36] = True, True

        roundness, solidity = roundness_and_solidity(cross)

        assert roundness < 0.5
        assert solidity < 0.65


class TestMeasure:
    def test_box_area_and_sides(self) -> None:
        """Boxes are half-open; length and width are those of the rod."""
        first, second = measure(rods(), image_of(rods()))

        assert first.bbox == (10, 10, 22, 50)
        assert first.area_px == 480
        assert (first.length_px, first.width_px) == pytest.approx((40.0, 12.0))
        assert first.orientation_deg == pytest.approx(0.0)
        assert second.orientation_deg == pytest.approx(90.0)

    def test_orientation_grows_counter_clockwise(self) -> None:
        """A rod that rises to the right lies at 45 degrees on screen."""
        masks = np.zeros((60, 60), np.int32)
        for i in range(10, 50):
            masks[59 - i, i - 3 : i + 4] = 1

        (instance,) = measure(masks, image_of(masks))

        assert instance.orientation_deg == pytest.approx(45.0, abs=3.0)

    @pytest.mark.parametrize(("gap_px", "touching"), [(0, True), (1, True), (2, False), (6, False)])
    def test_touching_is_at_most_one_pixel_between(self, gap_px: int, touching: bool) -> None:  # noqa: FBT001 - a case
        """Neighbours touch if one pixel of background or none lies between them."""
        masks = np.zeros((40, 60), np.int32)
        masks[10:20, 10:25] = 1
        masks[10:20, 25 + gap_px : 45] = 2

        flags = [i.flags for i in measure(masks, image_of(masks))]

        assert flags == [("touching",), ("touching",)] if touching else [(), ()]

    def test_border_and_saturation_are_flagged(self) -> None:
        """Cut by the edge, and pixels at the camera's limit."""
        masks = np.zeros((40, 40), np.int32)
        masks[0:20, 5:15] = 1
        masks[20:38, 25:38] = 2
        image = image_of(masks)
        image[20:22, 25:38] = 255

        first, second = measure(masks, image)

        assert first.flags == ("border",)
        assert second.flags == ("saturated",)

    def test_floats_have_no_ceiling(self) -> None:
        """Saturation is unknown where the camera's largest value is."""
        (instance, _) = measure(rods(), np.full(rods().shape, 1e9, np.float32))

        assert "saturated" not in instance.flags
