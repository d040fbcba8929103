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
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.manifold.rowwise import affine

BLOCK_ROWS: Final = 64
# So many rows are compared with everything: finding the main directions for them would take longer.
_FEW: Final = 64
_DIRECTIONS: Final = 33
_AT_ONCE: Final = 4  # divides the directions, the rest's length and both squared lengths
# Of the squared lengths of both rows: a hundred times what sums of 36 products in 32 bits can be off.
_SLACK: Final = 3e-5
# Points around a row, along the first direction, from which its first guesses come.
_AROUND: Final = 512
_LANES: Final = 64
_CHUNK: Final = 64
# Points whose bounds are computed at a time; what is needed of them stays in the processor's cache.
_TILE: Final = 128


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
                _look_at_all(rows[one], self._points, left_out[one], indices[one], squared[one])
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
        _guess(*given, begin, end, excluded, indices, squared)
        # No neighbour lies farther along the first direction than in all of them.
        reach = np.sqrt(squared[:, -1]) * (1.0 + 1e-6) + 1e-9
        begin = int(np.searchsorted(self._first, (placed.first - reach).min(), side="left"))
        end = int(np.searchsorted(self._first, (placed.first + reach).max(), side="right"))
        _look_within(*given, begin, end, excluded, indices, squared)

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


@njit(error_model="numpy", nogil=True, cache=True)
def _look_at_all(
    rows: NDArray[np.float32],
    points: NDArray[np.float32],
    excluded: NDArray[np.int64],
    indices: NDArray[np.int32],
    squared: NDArray[np.float64],
) -> None:
    sums = np.empty(_LANES, np.float64)
    for row in range(rows.shape[0]):
        for j in range(points.shape[0]):
            if j != excluded[row]:
                _insert(squared[row], indices[row], _squared(rows[row], points[j], sums), j)


@njit(error_model="numpy", nogil=True, cache=True)
def _guess(  # noqa: PLR0917 - the compiler wants places
    rows: NDArray[np.float32],
    factors: NDArray[np.float32],
    points: NDArray[np.float32],
    point_factors: NDArray[np.float32],
    numbers: NDArray[np.int64],
    begin: int,
    end: int,
    excluded: NDArray[np.int64],
    indices: NDArray[np.int32],
    squared: NDArray[np.float64],
) -> None:
    """Begin every row's list with the points that have the smallest bounds."""
    k = indices.shape[1]
    bounds = np.empty(_TILE, np.float32)
    sums = np.empty(_LANES, np.float64)
    lowest = np.empty(k, np.float64)
    which = np.empty(k, np.int64)
    for row in range(rows.shape[0]):
        lowest[:] = np.inf
        which[:] = points.shape[0]
        worst = np.float32(np.inf)
        for tile in range(begin, end, _TILE):
            size = min(_TILE, end - tile)
            _bound(factors[row], point_factors, tile, size, bounds)
            for start in range(0, size, _CHUNK):
                stop = min(start + _CHUNK, size)
                if _any_below(bounds, start, stop, worst):
                    for j in range(start, stop):
                        if bounds[j] <= worst and numbers[tile + j] != excluded[row]:
                            _insert(lowest, which, float(bounds[j]), tile + j)
                            worst = np.float32(lowest[k - 1])
        for j in which:
            if j < points.shape[0]:
                _insert(squared[row], indices[row], _squared(rows[row], points[j], sums), numbers[j])


@njit(error_model="numpy", nogil=True, cache=True)
def _look_within(  # noqa: PLR0917 - the compiler wants places
    rows: NDArray[np.float32],
    factors: NDArray[np.float32],
    points: NDArray[np.float32],
    point_factors: NDArray[np.float32],
    numbers: NDArray[np.int64],
    begin: int,
    end: int,
    excluded: NDArray[np.int64],
    indices: NDArray[np.int32],
    squared: NDArray[np.float64],
) -> None:
    """Measure every point whose bound does not rule it out."""
    last = indices.shape[1] - 1
    bounds = np.empty(_TILE, np.float32)
    sums = np.empty(_LANES, np.float64)
    for tile in range(begin, end, _TILE):
        size = min(_TILE, end - tile)
        for row in range(rows.shape[0]):
            limit = _above(squared[row, last])
            _bound(factors[row], point_factors, tile, size, bounds)
            for start in range(0, size, _CHUNK):
                stop = min(start + _CHUNK, size)
                if _any_below(bounds, start, stop, limit):
                    for j in range(start, stop):
                        if bounds[j] <= limit and numbers[tile + j] != excluded[row]:
                            distance = _squared(rows[row], points[tile + j], sums)
                            _insert(squared[row], indices[row], distance, numbers[tile + j])
                            limit = _above(squared[row, last])


# Bounds need not be exact, and may be computed in any order.
@njit(error_model="numpy", nogil=True, cache=True, fastmath=True)
def _bound(
    factors: NDArray[np.float32],
    point_factors: NDArray[np.float32],
    begin: int,
    size: int,
    bounds: NDArray[np.float32],
) -> None:
    """Compute the bounds of some points that follow each other."""
    for j in range(size):
        bounds[j] = np.float32(0.0)
    for d in range(0, factors.shape[0], _AT_ONCE):
        f0, f1, f2, f3 = factors[d], factors[d + 1], factors[d + 2], factors[d + 3]
        c0, c1 = point_factors[d, begin : begin + size], point_factors[d + 1, begin : begin + size]
        c2, c3 = point_factors[d + 2, begin : begin + size], point_factors[d + 3, begin : begin + size]
        for j in range(np.uintp(size)):
            bounds[j] += f0 * c0[j] + f1 * c1[j] + f2 * c2[j] + f3 * c3[j]


@njit(error_model="numpy", nogil=True, cache=True)
def _any_below(values: NDArray[np.float32], start: int, end: int, limit: np.float32) -> bool:
    found = 0
    # Unsigned numbers are never counted from the end of an array, so nothing has to be looked at twice.
    for j in range(np.uintp(start), np.uintp(end)):
        found |= values[j] <= limit
    return found != 0


@njit(error_model="numpy", nogil=True, cache=True)
def _above(value: float) -> np.float32:
    """Round up to 32 bits, and a little more, so that nothing is passed over."""
    return np.float32(value) * np.float32(1.0 + 1e-6) + np.float32(1e-37)


@njit(error_model="numpy", nogil=True, cache=True)
def _insert(
    best: NDArray[np.float64], which: NDArray[np.signedinteger[Any]], value: float, index: int
) -> None:
    """Put a point in its place in an ascending list, whose last one falls out, unless it is there already."""
    last = best.shape[0] - 1
    if value > best[last] or (value == best[last] and index >= which[last]):
        return
    for place in range(last):
        if which[place] == index:
            return
    place = last
    while place > 0 and (value < best[place - 1] or (value == best[place - 1] and index < which[place - 1])):
        best[place] = best[place - 1]
        which[place] = which[place - 1]
        place -= 1
    best[place] = value
    which[place] = index


@njit(error_model="numpy", nogil=True, cache=True)
def _squared(x: NDArray[np.float32], y: NDArray[np.float32], sums: NDArray[np.float64]) -> float:
    """Squared distance in 64 bits: many sums side by side, then those in order."""
    lanes, size = np.uintp(sums.shape[0]), np.uintp(x.shape[0])
    whole = size // lanes * lanes
    for lane in range(lanes):
        sums[lane] = 0.0
    for start in range(np.uintp(0), whole, lanes):
        for lane in range(lanes):
            difference = np.float64(x[start + lane]) - np.float64(y[start + lane])
            sums[lane] += difference * difference
    total = 0.0
    for lane in range(lanes):
        total += sums[lane]
    for i in range(whole, size):
        difference = np.float64(x[i]) - np.float64(y[i])
        total += float(difference * difference)
    return total
