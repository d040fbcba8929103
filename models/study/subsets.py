"""Which training aberrations there are in a condition with fewer of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SUBSET_STREAM = 0x57D1


def first_aberrations(
    labels: NDArray[np.int64], chromosomes: Sequence[object], count: int | None, seed: int
) -> NDArray[np.int64]:
    """Rows of all normals and of at most `count` aberrations, ascending.

    Whole chromosomes are taken in one random order, the last of them in part where not all of its crops
    fit, so that a larger count holds everything that a smaller one held.

    Parameters
    ----------
    labels : (N,) int64
    chromosomes
        Equal for the N crops of one chromosome.
    """
    aberrant = np.flatnonzero(labels == 1)
    if count is None or count >= len(aberrant):
        return np.arange(len(labels))
    by_chromosome: dict[object, list[int]] = {}
    for row in aberrant:
        by_chromosome.setdefault(chromosomes[row], []).append(int(row))
    order = np.random.default_rng([_SUBSET_STREAM, seed]).permutation(len(by_chromosome))
    groups = list(by_chromosome.values())
    chosen: list[int] = []
    for index in order:
        if len(chosen) >= count:
            break
        chosen += groups[index][: count - len(chosen)]
    return np.sort(np.concatenate([np.flatnonzero(labels == 0), np.array(chosen, np.int64)]))
