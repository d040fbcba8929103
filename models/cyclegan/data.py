"""Unpaired pictures to learn from: DAPI of some aberrations, colours of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.classification.augmentation import Augmentation
from models.generation.pairs import FLIPS_AND_TURNS, PairedCanvases

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


@dataclass(frozen=True)
class UnpairedBatch:
    """Pictures of both domains; what is in a row of one has nothing to do with that of the other.

    Attributes
    ----------
    dapi : (B, 3, S, S) float32 in [-1, 1]
        Domain A: DAPI, three times.
    colours : (B, 3, S, S) float32 in [-1, 1]
        Domain B: red, green, DAPI.
    """

    dapi: torch.Tensor
    colours: torch.Tensor


class CycleganData:
    """The same aberrations as two domains, each drawn in its own order and varied on its own.

    Parameters
    ----------
    canvases : (N, 3, S, S) uint8
        Of aberrations: red, green, DAPI.
    seed
        Of both orders and of the augmentation.

    Raises
    ------
    ValueError
        There is no canvas.
    """

    def __init__(
        self, canvases: NDArray[np.uint8], *, seed: int, augmentation: Augmentation = FLIPS_AND_TURNS
    ) -> None:
        self.canvases = canvases
        self._dapi = PairedCanvases(canvases, seed=2 * seed, augmentation=augmentation)
        self._colours = PairedCanvases(canvases, seed=2 * seed + 1, augmentation=augmentation)

    def __len__(self) -> int:
        """Return N."""
        return len(self.canvases)

    def batch(self, step: int, size: int) -> UnpairedBatch:
        """Draw the batch of a training step; it follows from the seed and the step alone."""
        return UnpairedBatch(self._dapi.batch(step, size).sources, self._colours.batch(step, size).targets)
