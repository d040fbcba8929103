from __future__ import annotations

import numpy as np
import pytest

from models.classification.ratios import kept_at_ratio

LABELS = np.repeat([1, 0], [4, 96])
CHROMOSOMES = np.arange(100) // 2


class TestKeptAtRatio:
    def test_keeps_every_aberration_and_ten_normal_crops_for_each(self) -> None:
        """Four aberrant crops bring forty normal ones."""
        kept = kept_at_ratio(LABELS, CHROMOSOMES, 10, 0)

        assert kept[:4].all()
        assert 40 == kept[4:].sum()

    def test_keeps_whole_chromosomes(self) -> None:
        """Both views of a chromosome stay, or neither; an odd ratio stays below itself."""
        kept = kept_at_ratio(LABELS, CHROMOSOMES, 2.75, 3)

        np.testing.assert_array_equal(kept[::2], kept[1::2])
        assert 10 == kept[4:].sum()

    @pytest.mark.parametrize("ratio", [24, 1000])
    def test_keeps_all_where_there_are_fewer(self, ratio: int) -> None:
        """Nothing is drawn twice to reach a ratio."""
        assert kept_at_ratio(LABELS, CHROMOSOMES, ratio, 0).all()

    def test_another_draw_keeps_others(self) -> None:
        """A draw repeats itself, and another one is another."""
        first, again, other = (kept_at_ratio(LABELS, CHROMOSOMES, 10, draw) for draw in (0, 0, 1))

        np.testing.assert_array_equal(first, again)
        assert (first != other).any()

    def test_a_chromosome_with_one_aberrant_view_is_aberrant(self) -> None:
        """Its other view is no normal crop that could be left out."""
        labels = np.array([1, 0, 0, 0])

        assert [True, True, False, False] == kept_at_ratio(labels, np.array(list("aabb")), 0, 0).tolist()

    @pytest.mark.parametrize("count", [0, 6])
    def test_without_aberrations_nothing_is_kept(self, count: int) -> None:
        """Ten times nothing is nothing."""
        assert not kept_at_ratio(np.zeros(count, np.int64), np.arange(count), 10, 0).any()
