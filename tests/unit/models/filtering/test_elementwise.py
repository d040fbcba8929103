from __future__ import annotations

import math

import numpy as np
import pytest

from models.filtering.elementwise import (
    BLOCK_ROWS,
    blocks,
    checked_references,
    each,
    joined,
    row_means,
    row_sums,
    share_below,
)


class TestEach:
    def test_is_the_function_of_every_number(self) -> None:
        """Also of none."""
        assert [1.0, math.e] == each(math.exp, np.array([0.0, 1.0])).tolist()
        assert (0,) == each(math.exp, np.empty(0)).shape


class TestRowSums:
    def test_a_row_is_the_same_bits_alone(self) -> None:
        """Sums are taken from left to right, however many rows and columns there are."""
        rows = np.random.default_rng(0).normal(size=(50, 300))

        together = row_sums(rows)

        assert together.tobytes() == np.concatenate([row_sums(row[None]) for row in rows]).tobytes()
        assert np.allclose(rows.sum(axis=1), together)
        assert np.allclose(rows.mean(axis=1), row_means(rows))

    def test_no_rows_have_no_sums(self) -> None:
        """An empty batch stays empty."""
        assert (0,) == row_sums(np.empty((0, 3))).shape


class TestShareBelow:
    def test_counts_what_is_smaller(self) -> None:
        """Not what is equal, so that a share of 0 is possible, and of 1."""
        shares = share_below(np.array([1.0, 2.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0, 2.5, 3.0, 9.0]))

        assert [0.0, 0.0, 0.25, 0.75, 0.75, 1.0] == shares.tolist()


class TestCheckedReferences:
    @pytest.mark.parametrize("odd", [[], [2.0, 1.0], [1.0, math.nan], [1.0, math.inf], [[1.0]]])
    def test_refuses_what_is_not_ascending_and_finite(self, odd: list[float]) -> None:
        """A percentile among such numbers would mean nothing."""
        with pytest.raises(ValueError, match="ascending"):
            checked_references(np.array(odd), "distances")


class TestBlocks:
    @pytest.mark.parametrize("count", [0, 1, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * BLOCK_ROWS - 1])
    def test_cover_every_row_once(self, count: int) -> None:
        """In their order."""
        rows = np.arange(float(count))

        assert rows.tolist() == joined(rows[part] for part in blocks(count)).tolist()
