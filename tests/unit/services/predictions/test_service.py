from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.predictions.service import _BLOCK_ROWS, _GAP_ROWS, _runs


class TestRuns:
    @given(st.sets(st.integers(0, 20_000), min_size=1, max_size=200))
    def test_cover_every_row_once_and_stay_small(self, numbers: set[int]) -> None:
        """No row is lost, none is read twice, and no read is large or mostly idle."""
        block = [(row, f"crop_{row}") for row in sorted(numbers)]
        runs = list(_runs(block))

        assert block == [pair for run in runs for pair in run]
        assert all(run[-1][0] - run[0][0] < _BLOCK_ROWS for run in runs)
        assert all(b[0] - a[0] <= _GAP_ROWS for run in runs for a, b in pairwise(run))

    def test_dense_rows_are_one_read(self) -> None:
        """Rows that lie together are not asked for one by one."""
        assert 1 == len(list(_runs([(row, "crop") for row in range(2048)])))
