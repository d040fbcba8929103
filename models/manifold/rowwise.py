"""A matrix product that gives every row the same bits, whatever the other rows are."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


def affine(
    rows: NDArray[np.float32], matrix: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``rows @ matrix + offset``, added up in the order of the columns of `rows`.

    Libraries choose another order for another number of rows; here it is always the same.

    Parameters
    ----------
    rows : (M, D) float32
    matrix : (D, K) float64
    offset : (K,) float64

    Returns
    -------
    (M, K) float64
    """
    out = np.empty((len(rows), matrix.shape[1]), np.float64)
    _affine(
        np.ascontiguousarray(rows, np.float32),
        np.ascontiguousarray(matrix, np.float64),
        np.ascontiguousarray(offset, np.float64),
        out,
    )
    return out


@njit(error_model="numpy", nogil=True, cache=True)
def _affine(
    rows: NDArray[np.float32],
    matrix: NDArray[np.float64],
    offset: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    for row in range(rows.shape[0]):
        total = out[row]
        total[:] = offset
        for d in range(rows.shape[1]):
            factor = np.float64(rows[row, d])
            for k in range(matrix.shape[1]):
                total[k] += factor * matrix[d, k]
