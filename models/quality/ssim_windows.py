"""The index of one image against many: moments of 7 x 7 windows, and the sums over all windows.

Means and variances belong to one image and are computed once, so that only the cross moment is left per
pair. Windows in which one image is black need nothing but the other's variance, which a summed-area
table holds: chromosomes fill a small part of their canvas. And the images of a block lie side by side in
memory, where the processor adds eight at once.

Sums of grey levels are integers below 2**31 and therefore exact; only the last division rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

WINDOW = 7
_AREA = WINDOW * WINDOW
# K1 = 0.01 and K2 = 0.03 of the range 255, in units of 49 means squared and of 49 x 48 variances.
_C1 = np.float32((0.01 * 255) ** 2 * _AREA**2)
_C2 = np.float32((0.03 * 255) ** 2 * _AREA * (_AREA - 1))


@dataclass(frozen=True)
class Moments:
    """What belongs to B images alone, not to a pair; V windows fit along a side.

    Attributes
    ----------
    pixels : (3, S, S, B) int32
    sums : (3, V, V, B) int32
        Of the grey levels in a window.
    squares, spreads : (3, V, V, B) float32
        Mean squared and variance with their constants, in the units of `_C1` and `_C2`.
    """

    pixels: NDArray[np.int32]
    sums: NDArray[np.int32]
    squares: NDArray[np.float32]
    spreads: NDArray[np.float32]

    @classmethod
    def of(cls, canvases: NDArray[np.uint8]) -> Moments:
        """Sum the windows of (B, 3, S, S)."""
        pixels = np.ascontiguousarray(canvases.transpose(1, 2, 3, 0)).astype(np.int32)
        sums = _windows(pixels)
        squared = sums * sums
        spreads = _AREA * _windows(pixels * pixels) - squared
        return cls(pixels, sums, squared.astype(np.float32) + _C1, spreads.astype(np.float32) + _C2)

    def area_table(self) -> NDArray[np.float64]:
        """(V + 1, V + 1, B): sums of the index against a black image, over channels and from a corner."""
        index = (_C1 / self.squares * (_C2 / self.spreads)).sum(axis=0, dtype=np.float64)
        table = np.zeros((index.shape[0] + 1, index.shape[1] + 1, index.shape[2]))
        table[1:, 1:] = index.cumsum(axis=0).cumsum(axis=1)
        return table


def _windows(planes: NDArray[np.int32]) -> NDArray[np.int32]:
    """(C, S, S, B) to (C, V, V, B): sums of all whole windows."""
    rows = planes.shape[1] - WINDOW + 1
    cols = planes.shape[2] - WINDOW + 1
    tall = planes[:, :rows].copy()
    for offset in range(1, WINDOW):
        tall += planes[:, offset : offset + rows]
    wide = tall[:, :, :cols].copy()
    for offset in range(1, WINDOW):
        wide += tall[:, :, offset : offset + cols]
    return wide


def index_against(
    canvas: NDArray[np.uint8], real: Moments, table: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compare one canvas with B others.

    Parameters
    ----------
    canvas : (3, S, S) uint8
    real
        Moments of the others.
    table
        Their `Moments.area_table`.

    Returns
    -------
    (B,) float64
    """
    channels, rows, cols, count = real.sums.shape
    windows = channels * rows * cols
    lit = canvas.any(axis=0)
    if not lit.any():
        return np.asarray(table[-1, -1] / windows)
    top, bottom = _reach(lit.any(axis=1), rows)
    left, right = _reach(lit.any(axis=0), cols)
    # Windows that a chromosome reaches; the others see black.
    part = canvas[None, :, top : bottom + WINDOW - 1, left : right + WINDOW - 1]
    own = Moments.of(part)
    inside = np.zeros(count)
    _add_windows(
        own.pixels[..., 0],
        own.sums[..., 0],
        own.squares[..., 0] - _C1,
        own.spreads[..., 0] - _C2,
        real.pixels,
        real.sums,
        real.squares,
        real.spreads,
        top,
        left,
        inside,
    )
    covered = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
    return np.asarray((inside + table[-1, -1] - covered) / windows)


def _reach(lit: NDArray[np.bool_], windows: int) -> tuple[int, int]:
    """First window that a lit row or column falls into, and the one after the last."""
    places = np.flatnonzero(lit)
    return max(int(places[0]) - WINDOW + 1, 0), min(int(places[-1]) + 1, windows)


# Compiled at the first call (two seconds). Only whole arrays go in: a view of a part would hide from the
# compiler that the B real images lie side by side. Division by zero cannot happen, and is not looked for.
@njit(nogil=True, error_model="numpy")
def _add_windows(  # noqa: PLR0917 - the compiler wants places
    pixels: NDArray[np.int32],
    sums: NDArray[np.int32],
    squares: NDArray[np.float32],
    spreads: NDArray[np.float32],
    real: NDArray[np.int32],
    real_sums: NDArray[np.int32],
    real_squares: NDArray[np.float32],
    real_spreads: NDArray[np.float32],
    top: int,
    left: int,
    total: NDArray[np.float64],
) -> None:
    """Add up the index over all windows of a part of one image, which lies at a corner of B whole ones.

    Columns of seven products slide down the image, windows of seven columns slide along a row.
    """
    channels, rows, cols = sums.shape
    columns = np.empty((cols + WINDOW - 1, total.size), np.int32)
    line = np.empty(total.size, np.float32)
    for channel in range(channels):
        columns[:] = 0
        for row in range(WINDOW - 1):
            _add_products(columns, pixels[channel, row], real[channel, top + row], left, 1)
        for row in range(rows):
            _add_products(
                columns, pixels[channel, row + WINDOW - 1], real[channel, top + row + WINDOW - 1], left, 1
            )
            _add_line(
                columns,
                sums[channel, row],
                squares[channel, row],
                spreads[channel, row],
                real_sums[channel, top + row],
                real_squares[channel, top + row],
                real_spreads[channel, top + row],
                left,
                line,
            )
            total += line
            _add_products(columns, pixels[channel, row], real[channel, top + row], left, -1)


@njit(nogil=True, error_model="numpy")
def _add_products(
    columns: NDArray[np.int32], own: NDArray[np.int32], real: NDArray[np.int32], left: int, sign: int
) -> None:
    """Add the products of one row of pixels to the columns, or take them away."""
    for col in range(len(columns)):
        grey = np.int32(sign * own[col])
        if grey != 0:
            for b in range(columns.shape[1]):
                columns[col, b] += grey * real[left + col, b]


@njit(nogil=True, error_model="numpy")
def _add_line(  # noqa: PLR0917 - the compiler wants places
    columns: NDArray[np.int32],
    sums: NDArray[np.int32],
    squares: NDArray[np.float32],
    spreads: NDArray[np.float32],
    real_sums: NDArray[np.int32],
    real_squares: NDArray[np.float32],
    real_spreads: NDArray[np.float32],
    left: int,
    line: NDArray[np.float32],
) -> None:
    """Sum the index over the windows of one row; short sums, so that single precision is enough."""
    two = np.float32(2)
    window = np.zeros(line.size, np.int32)
    line[:] = 0
    for col in range(WINDOW - 1):
        window += columns[col]
    for col in range(sums.size):
        own_sum, own_square, own_spread = sums[col], squares[col], spreads[col]
        at = left + col
        for b in range(line.size):
            products = window[b] + columns[col + WINDOW - 1, b]
            window[b] = products - columns[col, b]
            means = np.int32(own_sum * real_sums[at, b])
            covariance = np.int32(np.int32(_AREA) * products - means)
            line[b] += (
                (two * np.float32(means) + _C1)
                * (two * np.float32(covariance) + _C2)
                / ((own_square + real_squares[at, b]) * (own_spread + real_spreads[at, b]))
            )
