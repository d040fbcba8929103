"""The exact nearest neighbours of rows among the training embeddings, the same bits in any batch.

Most points need not be looked at. In the directions in which the training embeddings vary most, and with
the length of what is left over, distances have a lower bound

    |x - y|^2 >= |P x - P y|^2 + (|x - P x| - |y - P y|)^2,

and a point whose bound lies beyond the k-th distance found so far is no neighbour. The points lie in the
order of the first of these directions, so that only a stretch of them has a bound worth computing. Bounds
are computed in 32 bits and lowered by more than these can be off. All points that they do not rule out are
measured in 64 bits, dimension by dimension in one order. Equal distances go by number.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.manifold.measuring import guess, look_at_all, look_within
from models.manifold.rowwise import affine

BLOCK_ROWS: Final = 64
# So many rows are compared with everything: finding the main directions for them would take longer.
_FEW: Final = 64
# With the rest's length and both squared lengths 36 factors, a multiple of `FACTORS_AT_ONCE`.
_DIRECTIONS: Final = 33
# Of the squared lengths of both rows: seven times the most that sums of 36 products in 32 bits can be off.
_SLACK: Final = 3e-5
# Points around a row, along the first direction, from which its first guesses come.
_AROUND: Final = 512


class NeighbourSearch:
    """Finds neighbours among fixed points.

    Parameters
    ----------
    points : (N, D) float32
    """

    def __init__(self, points: NDArray[np.float32]) -> None:
        self._points = np.ascontiguousarray(points, np.float32)
        self._seen = 0

    def nearest(
        self,
        rows: NDArray[np.float32],
        k: int,
        *,
        excluded: NDArray[np.int64] | None = None,
        threads: int = 1,
        check: Callable[[], None] = lambda: None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Find the `k` nearest points of every row.

        Parameters
        ----------
        rows : (M, D) float32
        k
            At most N, or N - 1 where points are excluded.
        excluded : (M,) int64
            A point that is not to be a neighbour of the row; -1 for none.
        check
            Called between blocks; may raise to stop.

        Returns
        -------
        indices : (M, k) int32
        distances : (M, k) float64
            Euclidean, ascending.
        """
        rows = np.ascontiguousarray(rows, np.float32)
        left_out = np.full(len(rows), -1, np.int64) if excluded is None else np.asarray(excluded, np.int64)
        indices = np.full((len(rows), k), len(self._points), np.int32)
        squared = np.full((len(rows), k), np.inf)
        self._seen += len(rows)
        if self._seen <= _FEW:
            for row in range(len(rows)):
                check()
                one = slice(row, row + 1)
                look_at_all(rows[one], self._points, left_out[one], indices[one], squared[one])
            return indices, np.sqrt(squared)
        placed = self._along.place(rows)
        # Rows that follow each other look at the same stretch.
        order = np.argsort(placed.first, kind="stable")

        def work(start: int) -> None:
            check()
            chosen = order[start : start + BLOCK_ROWS]
            found, distances = indices[chosen], squared[chosen]
            self._along.search(rows[chosen], placed.of(chosen), left_out[chosen], found, distances)
            indices[chosen], squared[chosen] = found, distances

        run_blocks(work, range(0, len(rows), BLOCK_ROWS), threads)
        return indices, np.sqrt(squared)

    @cached_property
    def _along(self) -> _Along:
        return _Along(self._points)


@dataclass(frozen=True)
class _Placed:
    """Where M rows lie in the main directions.

    Attributes
    ----------
    first : (M,) float64
        Along the first one.
    factors : (M, p + 3) float32
        Their product with a point's is no more than the squared distance.
    """

    first: NDArray[np.float64]
    factors: NDArray[np.float32]

    def of(self, chosen: NDArray[np.intp]) -> _Placed:
        return _Placed(self.first[chosen], self.factors[chosen])


class _Along:
    """Points in their main directions, in the order of the first.

    Parameters
    ----------
    points : (N, D) float32
    """

    def __init__(self, points: NDArray[np.float32]) -> None:
        centre = points.mean(axis=0, dtype=np.float64)
        centred = (points - centre).astype(np.float32)
        _, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
        self._centre = centre
        # Embeddings of fewer dimensions get empty directions.
        self._axes = np.zeros((points.shape[1], _DIRECTIONS))
        self._axes[:, : points.shape[1]] = axes[:, ::-1][:, :_DIRECTIONS]
        first, coordinates, lengths = self._coordinates(points)
        self._numbers = np.argsort(first, kind="stable")
        self._first = first[self._numbers]
        self._points = np.ascontiguousarray(points[self._numbers])
        # |x|^2 - 2 x y + |y|^2 in one sum.
        factors = np.column_stack([coordinates, np.ones_like(lengths), lengths])
        self._factors = np.ascontiguousarray(factors[self._numbers].T)

    def place(self, rows: NDArray[np.float32]) -> _Placed:
        """Place (M, D) rows among the points."""
        first, coordinates, lengths = self._coordinates(rows)
        factors = np.column_stack([np.float32(-2.0) * coordinates, lengths, np.ones_like(lengths)])
        return _Placed(first, np.ascontiguousarray(factors))

    def search(
        self,
        rows: NDArray[np.float32],
        placed: _Placed,
        excluded: NDArray[np.int64],
        indices: NDArray[np.int32],
        squared: NDArray[np.float64],
    ) -> None:
        """Fill in the neighbours of a block of rows that lie near each other."""
        around = _AROUND + indices.shape[1]
        begin = max(int(np.searchsorted(self._first, placed.first.min())) - around, 0)
        end = min(int(np.searchsorted(self._first, placed.first.max())) + around, len(self._first))
        given = (rows, placed.factors, self._points, self._factors, self._numbers)
        guess(*given, begin, end, excluded, indices, squared)
        # No neighbour lies farther along the first direction than in all of them.
        reach = np.sqrt(squared[:, -1]) * (1.0 + 1e-6) + 1e-9
        begin = int(np.searchsorted(self._first, (placed.first - reach).min(), side="left"))
        end = int(np.searchsorted(self._first, (placed.first + reach).max(), side="right"))
        look_within(*given, begin, end, excluded, indices, squared)

    def _coordinates(
        self, rows: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]:
        """First one (M,), all with the rest's length (M, p + 1), squared lengths less the slack (M,)."""
        inside = affine(rows, self._axes, -(self._centre @ self._axes))
        squared = np.empty(len(rows))
        for start in range(0, len(rows), BLOCK_ROWS):  # a copy in 64 bits of all rows would be large
            part = slice(start, start + BLOCK_ROWS)
            squared[part] = np.square(rows[part] - self._centre).sum(axis=1)
        rest = np.sqrt(np.maximum(squared - np.square(inside).sum(axis=1), 0.0))
        lengths = (squared * (1.0 - _SLACK)).astype(np.float32)
        return inside[:, 0], np.column_stack([inside, rest]).astype(np.float32), lengths


def run_blocks(work: Callable[[int], None], starts: range, threads: int) -> None:
    """Run `work` on every start, on this thread or several; the first error is raised."""
    if threads <= 1 or len(starts) <= 1:
        for start in starts:
            work(start)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, starts):
            pass
