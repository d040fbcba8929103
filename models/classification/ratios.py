"""Held-out crops at another ratio of the classes than they have.

Papers report at a ratio of their own making, often ten normal crops to each aberrant one. Precision and
F1 depend on it, so figures are told at the natural ratio and at a common one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.classification.metrics import Labels

_STREAM = 0x7AB


def kept_at_ratio(
    labels: Labels, chromosomes: NDArray[Any], normal_ratio: float, draw: int
) -> NDArray[np.bool_]:
    """Draw the crops that are kept: every aberrant chromosome, and whole normal ones up to the ratio.

    Parameters
    ----------
    labels : (N,) int64
        0 = normal, 1 = aberration.
    chromosomes : (N,) numbers or names
        Equal for crops of one chromosome. It is aberrant where one of its crops is.
    normal_ratio
        Normal crops for each aberrant one, at most; where there are fewer, all are kept.
    draw
        Which of the draws; the same one keeps the same chromosomes, whatever was scored how.

    Returns
    -------
    (N,) bool
    """
    names, chromosome = np.unique(chromosomes, return_inverse=True)
    aberrant = np.zeros(len(names), bool)
    aberrant[chromosome[labels == 1]] = True
    normal = np.flatnonzero(~aberrant)
    order = normal[np.random.default_rng([_STREAM, draw]).permutation(len(normal))]
    so_far = np.cumsum(np.bincount(chromosome, minlength=len(names))[order])
    kept = aberrant.copy()
    kept[order[so_far <= normal_ratio * int(labels.sum())]] = True
    rows: NDArray[np.bool_] = kept[chromosome]
    return rows
