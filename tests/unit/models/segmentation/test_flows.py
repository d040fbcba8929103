from __future__ import annotations

import numpy as np
from cellpose.dynamics import labels_to_flows
from numpy.typing import NDArray
from torch import device

from models.segmentation.flows import flow_targets


class TestFlowTargets:
    def test_agrees_with_cellpose_where_nothing_overlaps(self, two_discs: NDArray[np.int32]) -> None:
        """Without overlaps the targets are those that Cellpose trains on."""
        (official,) = labels_to_flows([two_discs.copy()], device=device("cpu"))

        ours = flow_targets(two_discs)

        np.testing.assert_array_equal(official[1], ours[0])
        np.testing.assert_allclose(official[2:], ours[1:], atol=1e-6)

    def test_both_arms_of_the_lower_bar_flow_to_its_centre(
        self, crossing_bars: tuple[NDArray[np.int32], NDArray[np.int32]]
    ) -> None:
        """A bar that passes below another one is one object: its arms flow towards each other."""
        masks, overlaps = crossing_bars

        target = flow_targets(masks, overlaps)

        left_x, right_x = target[2, 40, 12:30], target[2, 40, 51:69]
        assert (left_x > 0.9).all()
        assert (right_x < -0.9).all()

    def test_without_the_overlap_map_one_arm_has_no_flow(
        self, crossing_bars: tuple[NDArray[np.int32], NDArray[np.int32]]
    ) -> None:
        """Cellpose's own targets do that, which is why ours complete the instance first."""
        masks, _ = crossing_bars

        target = flow_targets(masks)

        speed = np.hypot(target[1], target[2])[40]
        assert min(speed[12:30].max(), speed[51:69].max()) < 0.5

    def test_overlap_is_foreground_with_unit_flow(
        self, crossing_bars: tuple[NDArray[np.int32], NDArray[np.int32]]
    ) -> None:
        """Pixels of two chromosomes count as foreground and carry one of both flows."""
        masks, overlaps = crossing_bars

        target = flow_targets(masks, overlaps)

        speed = np.hypot(target[1], target[2])[(overlaps > 0)]
        assert (target[0][overlaps > 0] == 1.0).all()
        assert np.mean(np.abs(speed - 1.0) < 1e-3) > 0.95

    def test_empty_masks_give_zeros(self) -> None:
        """No instance, no flow."""
        target = flow_targets(np.zeros((9, 7), np.int32))

        np.testing.assert_array_equal(np.zeros((3, 9, 7), np.float32), target)

    def test_instance_at_the_edge_keeps_its_flow(self) -> None:
        """An instance cut by the image's edge has a flow in every pixel but its sink."""
        masks = np.zeros((20, 20), np.int32)
        masks[:8, :12] = 1

        target = flow_targets(masks)

        assert np.count_nonzero(np.hypot(target[1], target[2]) > 0.5) >= 8 * 12 - 4
