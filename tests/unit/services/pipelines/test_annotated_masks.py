"""Measuring what a person drew."""

from __future__ import annotations

import numpy as np
import pytest

from services.pipelines.annotated_masks import measure_drawn
from tests.support.drawn import SHAPE, drawn_masks

DAPI = np.full(SHAPE, 90, np.uint8)


class TestMeasureDrawn:
    def test_labels_stay_as_drawn(self) -> None:
        """Whoever has a table by the numbers of the mask file finds them again."""
        masks, _ = drawn_masks()
        found = measure_drawn(masks.astype(np.int32), None, DAPI)

        assert [9, 40, 700] == [one.label for one in found.instances]
        assert np.array_equal(masks, found.masks)
        assert {} == found.removed

    def test_overlaps_belong_to_no_crop(self) -> None:
        """Where chromosomes lie on each other colours mix, so those pixels are left out, and it is said."""
        masks, overlaps = (page.astype(np.int32) for page in drawn_masks())
        found = measure_drawn(masks, overlaps, DAPI)
        by_label = {one.label: one for one in found.instances}

        assert 0 == found.masks[overlaps > 0].max()
        assert 6 * 30 - 6 * 6 == by_label[40].area_px
        assert {9: True, 40: True, 700: False} == {k: "overlapping" in v.flags for k, v in by_label.items()}

    def test_measures_as_the_network_s_are(self) -> None:
        """A drawn chromosome has its box, its size and its flags."""
        masks, _ = drawn_masks()
        drawn = measure_drawn(masks.astype(np.int32), None, np.full(SHAPE, 255, np.uint8)).instances[2]

        assert ((3, 3, 9, 20), 102) == (drawn.bbox, drawn.area_px)
        assert (17.0, 6.0) == pytest.approx((drawn.length_px, drawn.width_px))
        assert "saturated" in drawn.flags

    def test_large_numbers_cost_nothing(self) -> None:
        """A label near the limit of its type allocates no table of that length."""
        masks = np.zeros(SHAPE, np.int32)
        masks[4:9, 4:9] = 2**31 - 1
        found = measure_drawn(masks, None, DAPI)

        assert [(2**31 - 1, 25)] == [(one.label, one.area_px) for one in found.instances]

    def test_a_hidden_instance_is_counted(self) -> None:
        """A chromosome that lies wholly in an overlap has no pixel of its own."""
        masks = np.zeros(SHAPE, np.int32)
        masks[4:9, 4:9], masks[20:25, 20:25] = 1, 2
        overlaps = np.zeros(SHAPE, np.int32)
        overlaps[3:10, 3:10] = 1
        found = measure_drawn(masks, overlaps, DAPI)

        assert {"hidden": 1} == found.removed
        assert [2] == [one.label for one in found.instances]

    def test_masks_without_background(self) -> None:
        """One chromosome may fill the picture."""
        found = measure_drawn(np.full(SHAPE, 3, np.int32), None, DAPI)

        assert [(3, 32 * 40, True)] == [
            (one.label, one.area_px, "border" in one.flags) for one in found.instances
        ]

    def test_everything_hidden(self) -> None:
        """An image whose chromosomes all lie in overlaps gives no crop, and no error."""
        found = measure_drawn(np.full(SHAPE, 3, np.int32), np.ones(SHAPE, np.int32), DAPI)

        assert ((), {"hidden": 1}) == (found.instances, found.removed)
