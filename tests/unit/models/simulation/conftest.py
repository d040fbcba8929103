"""Small chromosomes that the tests of the painter share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from skimage.draw import disk, line

from models.generation.sources import Sources

Shapes = dict[str, NDArray[np.bool_]]
MakeSources = Callable[..., Sources]


@pytest.fixture(scope="session")
def shapes() -> Shapes:
    """Return masks (48, 48): a straight rod of 40 x 8, a U, a rod in two pieces, a disc, and a speck."""
    rod = np.zeros((48, 48), np.bool_)
    rod[20:28, 4:44] = True
    pieces = rod.copy()
    pieces[:, 20:26] = False
    speck = np.zeros_like(rod)
    speck[24, 24:26] = True
    return {"rod": rod, "bent": _bent(), "pieces": pieces, "disc": _disc(), "speck": speck}


def _bent() -> NDArray[np.bool_]:
    """Return a U whose two arms are 6 wide and 10 apart."""
    mask = np.zeros((48, 48), np.bool_)
    for ends in ((8, 14, 34, 14), (34, 14, 34, 30), (34, 30, 8, 30)):
        mask[line(*ends)] = True
    return binary_dilation(mask, np.ones((3, 3)), iterations=2)


def _disc() -> NDArray[np.bool_]:
    mask = np.zeros((48, 48), np.bool_)
    mask[disk((24, 24), 6)] = True
    return mask


@pytest.fixture(scope="session")
def make_sources(shapes: Shapes) -> MakeSources:
    """Return a function that makes sources of evenly stained chromosomes."""

    def make(
        shape: str = "rod",
        levels: tuple[int, int, int] = (200, 40, 150),
        count: int = 1,
        seed: int = 0,
        texture: int = 0,
    ) -> Sources:
        rng = np.random.default_rng(count)
        mask = shapes[shape]
        canvases = np.zeros((count, 3, *mask.shape), np.uint8)
        for channel, level in enumerate(levels):
            rough = rng.integers(-texture, texture + 1, (count, *mask.shape))
            canvases[:, channel] = np.clip(level + rough, 0, 255) * mask
        crop_ids = [f"crop_{number}" for number in range(count)]
        return Sources(canvases, np.stack([mask] * count), crop_ids, [0] * count, seed)

    return make
