"""Archives of drawn chromosomes whose class everybody sees: one colour, or two with a junction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.support.datasets import archive, png

SLIDES = (("train", "T1"), ("train", "T2"), ("val", "V1"), ("test", "E1"))


def painted(seed: int, *, aberrant: bool) -> NDArray[np.uint8]:
    """(24, 40, 4) uint8: a bar on DAPI, red or green, or half of it in the other colour."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((24, 40, 4), np.uint8)
    body = (slice(8, 16), slice(4, 36))
    first = int(rng.integers(2))
    picture[(*body, first)] = rng.integers(170, 230)
    picture[(*body, 2)] = rng.integers(90, 150, (8, 32))
    picture[(*body, 3)] = 255
    if aberrant:
        cut = int(rng.integers(14, 26))
        picture[8:16, cut:36, 1 - first] = picture[8:16, cut:36, first]
        picture[8:16, cut:36, first] = 0
    return picture


def painted_archive(per_slide: int = 8, seed: int = 0) -> bytes:
    """Return four slides in three splits; a quarter of the chromosomes are aberrant."""
    members = {}
    for number, (split, slide) in enumerate(SLIDES):
        for index in range(per_slide):
            aberrant = index % 4 == 0
            name = "aberration" if aberrant else "normal"
            one = painted(seed + 1000 * number + index, aberrant=aberrant)
            members[f"{split}/{name}/{slide}/{index}.png"] = png(one)
    return archive(members)
