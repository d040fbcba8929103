"""Splits by slide or subject, never by image or crop: what lies on one slide looks alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def split_groups(groups: Sequence[str], held_out_fraction: float, seed: int) -> frozenset[str]:
    """Choose whole groups to hold out.

    Parameters
    ----------
    groups
        The group (slide) of every image.
    held_out_fraction
        Wanted share of the images; groups are added while it is not exceeded, but at least one.
    seed
        The same groups, fraction and seed give the same answer, in whatever order images come.

    Returns
    -------
    frozenset of str
        Empty if the fraction is 0 or there is a single group: then nothing can be held out.
    """
    names, counts = np.unique(np.asarray(groups, dtype=str), return_counts=True)
    if held_out_fraction == 0 or len(names) < 2:  # noqa: PLR2004 - one to learn from, one to hold out
        return frozenset()
    allowed = held_out_fraction * counts.sum()
    chosen: set[str] = set()
    taken = 0
    for index in np.random.default_rng(seed).permutation(len(names)):
        fits = taken + counts[index] <= allowed
        if (fits or not chosen) and len(chosen) < len(names) - 1:
            chosen.add(str(names[index]))
            taken += int(counts[index])
    return frozenset(chosen)
