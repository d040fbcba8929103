"""Functions of one number, and sums of one row, that do not depend on the numbers beside them.

numpy's vectorised exponential may differ in the last bit between its lanes and its last few numbers,
and its sums are split by length. A verdict must not hang on that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK_ROWS = 4096


def each(function: Callable[[float], float], values: Floats) -> Floats:
    """Apply a function of the C library to every number: (M,) float64 to (M,) float64."""
    return np.fromiter(map(function, values.tolist()), np.float64, len(values))


def row_means(values: Floats) -> Floats:
    """Mean of every row, added from left to right: (M, K) float64 to (M,) float64."""
    return row_sums(values) / values.shape[1]


def row_sums(values: Floats) -> Floats:
    """Sum of every row, added from left to right: (M, K) float64 to (M,) float64."""
    total = np.zeros(len(values))
    for column in values.T:
        total += column
    return total


def share_below(references: Floats, values: Floats) -> Floats:
    """Share of ascending references, (A,), that are smaller than each value: (M,) float64 in [0, 1]."""
    return np.asarray(np.searchsorted(references, values, side="left") / len(references), np.float64)


def checked_references(references: Floats, called: str) -> Floats:
    """Return references as (A,) float64.

    Raises
    ------
    ValueError
        They are not ascending, not finite, or none.
    """
    known = np.ascontiguousarray(references, np.float64)
    if known.ndim != 1 or not len(known) or not np.isfinite(known).all() or (np.diff(known) < 0.0).any():
        raise ValueError(f"The {called} must be finite and ascending numbers, one at least.")
    return known


def blocks(num_rows: int) -> Iterator[slice]:
    """Slices of at most `BLOCK_ROWS` rows, so that memory does not grow with the rows."""
    for start in range(0, num_rows, BLOCK_ROWS):
        yield slice(start, start + BLOCK_ROWS)


def joined(parts: Iterable[Floats]) -> Floats:
    """Join (m,) float64 parts; none give (0,)."""
    return np.concatenate([np.empty(0), *parts])
