"""Which synthetic crops an arm trains on: all, those that are let in, or as many at random."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.study.arms import Arm

_RANDOM_STREAM = 0x5A1
Rows = NDArray[np.int64]


def ranked(needed_level: NDArray[np.float64], count: int) -> Rows:
    """Rows of the `count` crops that a filter would let in first, ascending.

    Filters are compared at the same number of crops, whatever their levels mean; the first row wins a tie.
    """
    return np.sort(np.argsort(needed_level, kind="stable")[:count])


def chosen_rows(
    arm: Arm,
    candidates: Mapping[str, int],
    kept: Mapping[str, Mapping[str, Rows]],
    *,
    limit: int | None,
    seed: int,
) -> dict[str, Rows]:
    """Rows of each generator's candidates that an arm adds to the aberrations.

    Parameters
    ----------
    candidates
        How many each generator made.
    kept
        By generator and filter method, the rows that are let in.
    limit
        Of all of them together; None: no limit. Beyond it they are drawn at random, from each
        generator in proportion.
    seed
        Of the run: with a limit, or in the random control, every seed draws other crops.
    """
    rng = np.random.default_rng([_RANDOM_STREAM, seed])
    rows: dict[str, Rows] = {}
    for name in arm.synthetic:
        everything = np.arange(candidates[name], dtype=np.int64)
        if arm.selection == "all":
            rows[name] = everything
        elif arm.selection == "random":
            rows[name] = _drawn(everything, len(kept[name]["umap"]), rng)
        else:
            rows[name] = kept[name][arm.selection]
    total = sum(len(one) for one in rows.values())
    if limit is None or total <= limit:
        return rows
    return {name: _drawn(one, round(limit * len(one) / total), rng) for name, one in rows.items()}


def _drawn(rows: Rows, count: int, rng: np.random.Generator) -> Rows:
    return np.sort(rng.permutation(rows)[:count])
