"""The exact nearest neighbours of rows among the training embeddings, the same bits in any batch.

A matrix product finds candidates; its rounding depends on the batch, so it only ever decides what need not
be looked at. In the directions in which the training embeddings vary most, and with the length of what is
left over, distances have a lower bound

    |x - y|^2 >= |P x - P y|^2 + (|x - P x| - |y - P y|)^2,

and a point whose bound lies beyond the k-th distance found so far is no neighbour. All others are measured
in 64 bits, dimension by dimension in one order. Equal distances go by the row's number.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

BLOCK_ROWS: Final = 128
# Fewer rows are compared with everything: rotating the training embeddings first would take longer.
_FEW: Final = 16
_DIRECTIONS: Final = 48
# Of the squared lengths of both rows: a hundred times what 32-bit products of 49 numbers can be off.
_SLACK: Final = 3e-4
_LANES: Final = 8


class NeighbourSearch:
    """Finds neighbours among fixed points.

    Parameters
    ----------
    points : (N, D) float32
    """

    def __init__(self, points: NDArray[np.float32]) -> None:
        self._points = np.ascontiguousarray(points, np.float32)

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
        indices = np.empty((len(rows), k), np.int32)
        squared = np.empty((len(rows), k), np.float64)

        def work(start: int) -> None:
            check()
            part = slice(start, start + BLOCK_ROWS)
            bounds = self._bounds(rows[part], everything=len(rows) <= _FEW)
            _search(rows[part], self._points, bounds, left_out[part], indices[part], squared[part])

        if len(rows) > _FEW:
            _ = self._rotated  # made once, before threads ask for it
        run_blocks(work, range(0, len(rows), BLOCK_ROWS), threads)
        return indices, np.sqrt(squared)

    @cached_property
    def _rotated(self) -> _Rotated:
        return _Rotated.of(self._points)

    def _bounds(self, rows: NDArray[np.float32], *, everything: bool) -> NDArray[np.float32]:
        """(M, N) float32: no more than the squared distances; zero where nothing is known."""
        if everything:
            return np.zeros((len(rows), len(self._points)), np.float32)
        return self._rotated.bounds(rows)


class _Rotated:
    """Points in their main directions, with the length of what is left over as one more."""

    def __init__(
        self, centre: NDArray[np.float64], axes: NDArray[np.float64], points: NDArray[np.float32]
    ) -> None:
        self._centre, self._axes = centre, axes
        coordinates, self._lengths = self._place(points)
        self._coordinates = np.ascontiguousarray(coordinates.T)

    @classmethod
    def of(cls, points: NDArray[np.float32]) -> _Rotated:
        """Find the main directions of (N, D) points."""
        centre = points.mean(axis=0, dtype=np.float64)
        centred = (points - centre).astype(np.float32)
        _, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
        return cls(centre, np.ascontiguousarray(axes[:, ::-1][:, :_DIRECTIONS]), points)

    def bounds(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(M, N) float32: no more than the squared distances to (M, D) rows."""
        coordinates, lengths = self._place(rows)
        bounds = np.dot(coordinates * np.float32(-2.0), self._coordinates)
        bounds += (lengths * np.float32(1.0 - _SLACK))[:, None]
        bounds += self._lengths * np.float32(1.0 - _SLACK)
        return bounds

    def _place(self, rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Coordinates with the rest's length (M, p + 1), and squared lengths (M,)."""
        centred = rows - self._centre
        squared = np.square(centred).sum(axis=1)
        inside = centred @ self._axes
        rest = np.sqrt(np.maximum(squared - np.square(inside).sum(axis=1), 0.0))
        return np.column_stack([inside, rest]).astype(np.float32), squared.astype(np.float32)


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
def _search(rows, points, bounds, excluded, indices, squared):  # type: ignore[no-untyped-def]
    """Fill in the neighbours of a block of rows; `bounds` is used up."""
    k = indices.shape[1]
    best = np.empty(k, np.float64)
    which = np.empty(k, np.int64)
    first = np.empty(k, np.int64)
    for row in range(rows.shape[0]):
        own = bounds[row]
        if excluded[row] >= 0:
            own[excluded[row]] = np.inf
        _smallest(own, best, first)
        best[:] = np.inf
        which[:] = points.shape[0]
        for j in first:
            own[j] = np.inf
            _insert(best, which, _squared(rows[row], points[j]), j)
        # Rounded up, so that nothing is passed over.
        limit = np.float32(best[k - 1]) * np.float32(1.0 + 1e-6)
        for j in range(points.shape[0]):
            if own[j] <= limit:
                distance = _squared(rows[row], points[j])
                if distance <= best[k - 1]:
                    _insert(best, which, distance, j)
                    limit = np.float32(best[k - 1]) * np.float32(1.0 + 1e-6)
        for j in range(k):
            indices[row, j] = which[j]
            squared[row, j] = best[j]


@njit(error_model="numpy", nogil=True, cache=True)
def _smallest(values, best, which):  # type: ignore[no-untyped-def]
    """Find the k smallest of finite values, to begin with."""
    best[:] = np.inf
    which[:] = -1
    worst = np.inf
    for j in range(values.shape[0]):
        if values[j] < worst:
            _insert(best, which, np.float64(values[j]), j)
            worst = best[best.shape[0] - 1]


@njit(error_model="numpy", nogil=True, cache=True)
def _insert(best, which, value, index):  # type: ignore[no-untyped-def]
    """Put a value in its place in an ascending list, whose last one falls out."""
    last = best.shape[0] - 1
    if value > best[last] or (value == best[last] and index > which[last]):
        return
    place = last
    while place > 0 and (value < best[place - 1] or (value == best[place - 1] and index < which[place - 1])):
        best[place] = best[place - 1]
        which[place] = which[place - 1]
        place -= 1
    best[place] = value
    which[place] = index


@njit(error_model="numpy", nogil=True, cache=True)
def _squared(x, y):  # type: ignore[no-untyped-def]
    """Squared distance in 64 bits: eight sums side by side, then those in order."""
    a = b = c = d = e = f = g = h = 0.0
    size = x.shape[0]
    whole = size // _LANES * _LANES
    for i in range(0, whole, _LANES):
        t0 = np.float64(x[i]) - np.float64(y[i])
        t1 = np.float64(x[i + 1]) - np.float64(y[i + 1])
        t2 = np.float64(x[i + 2]) - np.float64(y[i + 2])
        t3 = np.float64(x[i + 3]) - np.float64(y[i + 3])
        t4 = np.float64(x[i + 4]) - np.float64(y[i + 4])
        t5 = np.float64(x[i + 5]) - np.float64(y[i + 5])
        t6 = np.float64(x[i + 6]) - np.float64(y[i + 6])
        t7 = np.float64(x[i + 7]) - np.float64(y[i + 7])
        a += t0 * t0
        b += t1 * t1
        c += t2 * t2
        d += t3 * t3
        e += t4 * t4
        f += t5 * t5
        g += t6 * t6
        h += t7 * t7
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(whole, size):
        t = np.float64(x[i]) - np.float64(y[i])
        total += t * t
    return total
