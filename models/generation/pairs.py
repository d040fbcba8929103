"""Pairs to learn from: an aberration's colours, and its DAPI channel as the source.

Every draw follows from the seed and the step, so that a run which was cut and resumed sees the same
batches as one that was not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.classification.augmentation import Augmentation, EpochDraws, augment
from models.generation.sources import DAPI

FLIPS_AND_TURNS = Augmentation(flips=True, rotation_deg=180.0)
UNCHANGED = Augmentation()
_ORDER_STREAM = 0xB01


@dataclass(frozen=True)
class Batch:
    """Pairs, and who they are.

    Attributes
    ----------
    targets, sources : (B, 3, S, S) float32 in [-1, 1]
        The colours (red, green, DAPI), and DAPI three times.
    rows : (B,) int64
        Rows of the training canvases.
    """

    targets: torch.Tensor
    sources: torch.Tensor
    rows: NDArray[np.int64]


class PairedCanvases:
    """Training pairs, drawn batch by batch.

    Parameters
    ----------
    canvases : (N, 3, S, S) uint8
        Of aberrations: red, green, DAPI.
    seed
        Of the order and of the augmentation.

    Raises
    ------
    ValueError
        There is no canvas.
    """

    def __init__(
        self, canvases: NDArray[np.uint8], *, seed: int, augmentation: Augmentation = FLIPS_AND_TURNS
    ) -> None:
        if len(canvases) == 0:
            raise ValueError("There is no aberration to learn from.")
        self.canvases = canvases
        self._seed = seed
        self._augmentation = augmentation
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __len__(self) -> int:
        """Return N."""
        return len(self.canvases)

    def batch(self, step: int, size: int) -> Batch:
        """Draw the batch of a training step.

        Steps walk through one random order of the N canvases after another; a batch may span two.
        """
        first = step * size
        rows = np.array([self._row(number) for number in range(first, first + size)], np.int64)
        canvases = torch.from_numpy(self.canvases[rows]).to(torch.float32) / 255.0
        # One set of draws per step: a canvas that comes twice in a batch is varied in two ways.
        draws = EpochDraws(size, self._seed, step).of(np.arange(size))
        return pair_of(augment(canvases, self._augmentation, draws), rows)

    def _row(self, number: int) -> int:
        epoch, place = divmod(number, len(self))
        if self._order[0] != epoch:
            rng = np.random.default_rng([_ORDER_STREAM, self._seed, epoch])
            self._order = (epoch, rng.permutation(len(self)))
        return int(self._order[1][place])


def pair_of(canvases: torch.Tensor, rows: NDArray[np.int64]) -> Batch:
    """Pair canvases in [0, 1] with their own DAPI channel."""
    targets = canvases * 2.0 - 1.0
    return Batch(targets, source_of(targets), rows)


def source_of(images: torch.Tensor) -> torch.Tensor:
    """DAPI of (B, 3, S, S) images, three times: what a network starts from."""
    return images[:, DAPI : DAPI + 1].expand(-1, 3, -1, -1)


def to_signed(canvases: NDArray[np.uint8]) -> torch.Tensor:
    """(N, 3, S, S) uint8 to float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(canvases)).to(torch.float32) / 127.5 - 1.0


def to_bytes(images: torch.Tensor) -> NDArray[np.uint8]:
    """(N, 3, S, S) in [-1, 1] to uint8, rounded and clipped."""
    scaled = (images.to(torch.float32) + 1.0) * 127.5
    return scaled.round().clamp(0, 255).to(torch.uint8).cpu().numpy()
