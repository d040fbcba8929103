"""The compiled part of the search for neighbours: bounds, distances, and lists of the nearest.

In all of it L rows of D dimensions look at N points. `indices` (L, k) int32 and `squared` (L, k) float64 are
the rows' lists, ascending by squared Euclidean distance and then by number; they begin as N and infinity, and
every function adds to them. `excluded` (L,) int64 is the point that a row must not find, or -1.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

FACTORS_AT_ONCE: Final = 4
_LANES: Final = 64
_CHUNK: Final = 64
# Points whose bounds are computed at a time; what is needed of them stays in the processor's cache.
_TILE: Final = 128


@njit(error_model="numpy", nogil=True, cache=True)
def look_at_all(
    rows: NDArray[np.float32],
    points: NDArray[np.float32],
    excluded: NDArray[np.int64],
    indices: NDArray[np.int32],
    squared: NDArray[np.float64],
) -> None:
    """Measure every point."""
    sums = np.empty(_LANES, np.float64)
    for row in range(rows.shape[0]):
        for j in range(points.shape[0]):
            if j != excluded[row]:
                _insert(squared[row], indices[row], _squared(rows[row], points[j], sums), j)


@njit(error_model="numpy", nogil=True, cache=True)
def guess(  # noqa: PLR0917 - the compiler wants places
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
def look_within(  # noqa: PLR0917 - the compiler wants places
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
    for d in range(0, factors.shape[0], FACTORS_AT_ONCE):
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
