"""Numbers at which parsers break: the edges of types, of the file, and of usual limits."""

from __future__ import annotations

from random import Random

_EDGES = (
    *(0, 1, 2, 3, 7, 8, 16, 255, 256, 1000, 4096, 9999),
    *(0x7FFF, 0x8000, 0xFFFF, 0x10000, 0xFFFFF, 1 << 20, 80_000_000),
    *(
        0x7FFFFFFF,
        0x80000000,
        0xFFFFFFFE,
        0xFFFFFFFF,
        1 << 32,
        1 << 40,
        (1 << 63) - 1,
        1 << 63,
        (1 << 64) - 1,
    ),
)


def interesting(rng: Random, size_bytes: int) -> int:
    """Return a whole number that is not negative: an edge, a place in the file, or a small one."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(_EDGES)
    if kind == 1:
        return max(0, size_bytes + rng.randint(-16, 16))
    if kind == 2:
        return rng.randrange(size_bytes + 1)
    return rng.randrange(64)
