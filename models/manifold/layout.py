"""The place of new rows on a fitted map: umap-learn's stochastic descent, every row as if it were alone.

A row is pulled towards its neighbours on the map and pushed off others drawn at random, in the order, with
the rates and from the random numbers of `umap.layouts.optimize_layout_euclidean` (umap-learn 0.5.12). There
the number of epochs, and which neighbours are too weak to matter, depend on the other rows of a call;
here they are those of a call with this row only.

Several rows run side by side as lanes of the same instructions. Every lane computes what it would
compute alone, so results are the same bits in any company.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.manifold.arithmetic import exp2, log2

LANES = 32
_F = np.float32
_CLIP = _F(4.0)
_NEAR = _F(0.001)  # keeps the push finite where two points meet
# Parts of the working memory, each LANES long.
_X, _Y, _OTHER_X, _OTHER_Y, _MOVES = (LANES * part for part in range(5))
_PARTS = 5
_STATES = 3
_STRETCH = 8


@njit(error_model="numpy", nogil=True, cache=True)
def settle(  # noqa: C901, PLR0917 - the compiler wants places, and everything in one loop
    starts: NDArray[np.float32],
    neighbours: NDArray[np.int32],
    weights: NDArray[np.float32],
    points: NDArray[np.float32],
    rng_state: NDArray[np.int64],
    a: float,
    b: float,
    num_epochs: int,
    rate: float,
    repulsion: float,
    negative_samples: int,
    out: NDArray[np.float32],
) -> None:
    """Let up to `LANES` rows find their places.

    Parameters
    ----------
    starts : (L, 2) float32
    neighbours : (L, k) int32
        Rows of `points`, nearest first.
    weights : (L, k) float32
        Membership strengths; 0 is no edge.
    points : (N, 2) float32
        The map, which does not move.
    rng_state : (3,) int64
        Common to all rows; each adds the bits of its own start to it.
    rate
        At the beginning; it falls to zero over the epochs.
    out : (L, 2) float32
    """
    count, k = neighbours.shape
    # A few rows need not take as long as many.
    across = min(LANES, -(-count // _STRETCH) * _STRETCH)
    lanes = np.zeros(_PARTS * LANES, np.float32)
    states = np.zeros(_STATES * LANES, np.int64)
    indices = np.zeros(LANES, np.int32)
    size = np.float64(points.shape[0])
    every = np.empty((k, LANES), np.float64)
    due = np.empty((k, LANES), np.float64)
    negatives_due = np.empty((k, LANES), np.float64)
    pushes = np.zeros(LANES, np.int64)
    _begin(starts, weights, rng_state, num_epochs, lanes, states, every)
    for j in range(k):
        for lane in range(count):
            due[j, lane] = every[j, lane]
            negatives_due[j, lane] = every[j, lane] / negative_samples
    pull, power = _F(-2.0 * a * b), _F(b)
    push, width = _F(2.0 * repulsion * b), _F(a)
    for epoch in range(num_epochs):
        step = _F(rate * (1.0 - max(epoch - 1, 0) / num_epochs))
        for j in range(k):
            active = 0
            for lane in range(count):
                moves = due[j, lane] <= epoch
                lanes[_MOVES + lane] = _F(1.0) if moves else _F(0.0)
                active += moves
            if active == 0:
                continue
            for lane in range(count):
                lanes[_OTHER_X + lane] = points[neighbours[lane, j], 0]
                lanes[_OTHER_Y + lane] = points[neighbours[lane, j], 1]
            _pull(lanes, across, pull, power, width, step)
            most = 0
            for lane in range(count):
                pushes[lane] = 0
                if lanes[_MOVES + lane] > 0:
                    due[j, lane] += every[j, lane]
                    interval = every[j, lane] / negative_samples
                    pushes[lane] = int((epoch - negatives_due[j, lane]) / interval)
                    negatives_due[j, lane] += pushes[lane] * interval
                    most = max(most, pushes[lane])
            for n in range(most):
                _draw(states, across, pushes, n, size, indices)
                _look_up(points, indices, across, pushes, n, lanes)
                _push(lanes, across, push, power, width, step)
    for lane in range(count):
        out[lane, 0] = lanes[_X + lane]
        out[lane, 1] = lanes[_Y + lane]


@njit(error_model="numpy", nogil=True, cache=True)
def _begin(  # noqa: PLR0917 - the compiler wants places
    starts: NDArray[np.float32],
    weights: NDArray[np.float32],
    rng_state: NDArray[np.int64],
    num_epochs: int,
    lanes: NDArray[np.float32],
    states: NDArray[np.int64],
    every: NDArray[np.float64],
) -> None:
    """Lay out the working memory: places, random states, and every how many epochs an edge moves its row."""
    for lane in range(starts.shape[0]):
        lanes[_X + lane] = starts[lane, 0]
        lanes[_Y + lane] = starts[lane, 1]
        bits = np.float64(starts[lane, 0]).view(np.int64)
        for part in range(_STATES):
            states[part * LANES + lane] = rng_state[part] + bits
        largest = _F(0.0)
        for j in range(weights.shape[1]):
            largest = max(largest, weights[lane, j])
        for j in range(weights.shape[1]):
            if weights[lane, j] < largest / _F(num_epochs) or weights[lane, j] == 0:
                every[j, lane] = np.inf
            else:
                samples = _F(num_epochs) * _F(weights[lane, j] / largest)
                every[j, lane] = np.float64(num_epochs) / np.float64(samples)


@njit(error_model="numpy", nogil=True, cache=True)
def _pull(  # noqa: PLR0917 - the compiler wants places
    lanes: NDArray[np.float32],
    across: int,
    pull: np.float32,
    power: np.float32,
    width: np.float32,
    step: np.float32,
) -> None:
    """Move every lane that takes part towards its neighbour."""
    for lane in range(across):
        dx = lanes[_X + lane] - lanes[_OTHER_X + lane]
        dy = lanes[_Y + lane] - lanes[_OTHER_Y + lane]
        squared = dx * dx + dy * dy
        powered = exp2(power * log2(squared))
        strength = pull * powered / (squared * (width * powered + _F(1.0)))
        strength = strength if squared > _F(0.0) else _F(0.0)
        _move(lanes, lane, strength * dx, strength * dy, step)


@njit(error_model="numpy", nogil=True, cache=True)
def _push(  # noqa: PLR0917 - the compiler wants places
    lanes: NDArray[np.float32],
    across: int,
    push: np.float32,
    power: np.float32,
    width: np.float32,
    step: np.float32,
) -> None:
    """Move every lane that takes part away from the point that was drawn for it."""
    for lane in range(across):
        dx = lanes[_X + lane] - lanes[_OTHER_X + lane]
        dy = lanes[_Y + lane] - lanes[_OTHER_Y + lane]
        squared = dx * dx + dy * dy
        powered = exp2(power * log2(squared))
        strength = push / ((_NEAR + squared) * (width * powered + _F(1.0)))
        _move(lanes, lane, strength * dx, strength * dy, step)


@njit(error_model="numpy", nogil=True, cache=True)
def _move(
    lanes: NDArray[np.float32], lane: int, along_x: np.float32, along_y: np.float32, step: np.float32
) -> None:
    """Move a lane that takes part, no farther than umap-learn does at once."""
    moves = lanes[_MOVES + lane] * step
    lanes[_X + lane] += min(max(along_x, -_CLIP), _CLIP) * moves
    lanes[_Y + lane] += min(max(along_y, -_CLIP), _CLIP) * moves


@njit(error_model="numpy", nogil=True, cache=True)
def _draw(  # noqa: PLR0917 - the compiler wants places
    states: NDArray[np.int64],
    across: int,
    pushes: NDArray[np.int64],
    n: int,
    size: np.float64,
    indices: NDArray[np.int32],
) -> None:
    """Draw a point for every lane that is pushed an n-th time; the others neither move nor draw."""
    for lane in range(across):
        drawn = pushes[lane] > n
        s0, s1, s2 = states[lane], states[LANES + lane], states[2 * LANES + lane]
        t0 = (((s0 & 4294967294) << 12) & 0xFFFFFFFF) ^ ((((s0 << 13) & 0xFFFFFFFF) ^ s0) >> 19)
        t1 = (((s1 & 4294967288) << 4) & 0xFFFFFFFF) ^ ((((s1 << 2) & 0xFFFFFFFF) ^ s1) >> 25)
        t2 = (((s2 & 4294967280) << 17) & 0xFFFFFFFF) ^ ((((s2 << 3) & 0xFFFFFFFF) ^ s2) >> 11)
        states[lane] = t0 if drawn else s0
        states[LANES + lane] = t1 if drawn else s1
        states[2 * LANES + lane] = t2 if drawn else s2
    for lane in range(across):
        number = np.float64(np.int32(states[lane] ^ states[LANES + lane] ^ states[2 * LANES + lane]))
        # The remainder, never negative; the quotient of 32-bit numbers rounds to the right side.
        indices[lane] = np.int32(number - np.floor(number / size) * size)


@njit(error_model="numpy", nogil=True, cache=True)
def _look_up(  # noqa: PLR0917 - the compiler wants places
    points: NDArray[np.float32],
    indices: NDArray[np.int32],
    across: int,
    pushes: NDArray[np.int64],
    n: int,
    lanes: NDArray[np.float32],
) -> None:
    for lane in range(across):
        index = np.uint32(indices[lane])
        lanes[_OTHER_X + lane] = points[index, 0]
        lanes[_OTHER_Y + lane] = points[index, 1]
    for lane in range(across):
        lanes[_MOVES + lane] = _F(1.0) if pushes[lane] > n else _F(0.0)
