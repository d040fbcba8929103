"""How strongly a row belongs to each of its neighbours: umap-learn's fuzzy set of that row alone."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.manifold.arithmetic import exp

_F = np.float32
_LARGEST = float(np.finfo(np.float32).max)
_ITERATIONS = 64
_AT_ONCE = 8
_TOLERANCE = 1e-5
_LEAST_SCALE = 1e-3


@njit(error_model="numpy", nogil=True, cache=True)
def memberships(distances: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
    """Strengths exp(-distance / scale) that sum to log2(k) without the nearest.

    The same as `smooth_knn_dist` and `compute_membership_strengths` in a `transform` of umap-learn with
    its default local connectivity, for which the distance to the nearest neighbour is not subtracted.

    Parameters
    ----------
    distances : (L, k) float32
        Ascending.
    weights : (L, k) float32
        Filled in.
    """
    count, k = distances.shape
    target = np.log2(np.float64(k))
    for row in range(count):
        scale = _scale(distances[row], target)
        for j in range(k):
            if distances[row, j] <= 0.0 or scale == 0.0:
                weights[row, j] = _F(1.0)
            else:
                weights[row, j] = _F(exp(float(-_F(distances[row, j] / scale))))


@njit(error_model="numpy", nogil=True, cache=True)
def _scale(distances: NDArray[np.float32], target: float) -> np.float32:
    """Find by halving the scale at which the strengths reach their sum; at least a thousandth of the mean."""
    k = distances.shape[0]
    low, high, scale = 0.0, _LARGEST, 1.0
    for _ in range(_ITERATIONS):
        total = 0.0
        for j in range(1, k):
            total += exp(-(float(distances[j]) / scale)) if distances[j] > 0 else 1.0
        if abs(total - target) < _TOLERANCE:
            break
        if total > target:
            high = scale
            scale = (low + high) / 2.0
        else:
            low = scale
            scale = scale * 2.0 if high >= _LARGEST else (low + high) / 2.0
    mean = 0.0
    for j in range(k):
        mean += float(distances[j])
    return _F(max(scale, _LEAST_SCALE * mean / k))


@njit(error_model="numpy", nogil=True, cache=True)
def starts(
    neighbours: NDArray[np.int32],
    weights: NDArray[np.float32],
    points: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Place rows between their neighbours by strength, or on the one that they are equal to.

    The same as umap-learn's `init_graph_transform`, which adds the neighbours up by their number.

    Parameters
    ----------
    neighbours : (L, k) int32
    weights : (L, k) float32
    points : (N, 2) float32
    out : (L, 2) float32
        Filled in.
    """
    for row in range(neighbours.shape[0]):
        order = np.argsort(neighbours[row])
        total = _sum(weights[row][order])
        x = y = _F(0.0)
        for j in order:
            point = points[neighbours[row, j]]
            if weights[row, j] == 1.0:
                x, y = point[0], point[1]
                break
            share = _F(weights[row, j] / total)
            x += share * point[0]
            y += share * point[1]
        out[row, 0], out[row, 1] = x, y


@njit(error_model="numpy", nogil=True, cache=True)
def _sum(values: NDArray[np.float32]) -> np.float32:
    """Add up as `numpy.sum` does up to 128 values: the rounding decides the random numbers."""
    count = values.shape[0]
    whole = count // _AT_ONCE * _AT_ONCE
    sums = values[:_AT_ONCE].copy()
    for start in range(_AT_ONCE, whole, _AT_ONCE):
        for i in range(_AT_ONCE):
            sums[i] += values[start + i]
    total = _F(0.0)
    if whole:
        total = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
    for i in range(whole, count):
        total += values[i]
    return total
