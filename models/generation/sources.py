"""The crops that a generator starts from, and the noise that belongs to each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAPI = 2  # index of the channel on a canvas


@dataclass(frozen=True)
class Sources:
    """N canvases to generate from. A source that is used several times is there several times.

    Attributes
    ----------
    canvases : (N, 3, S, S) uint8
        Red, green, DAPI on black. Networks look at DAPI alone, the painter at all three.
    masks : (N, S, S) bool
        Where the chromosome lies.
    crop_ids
        Of the N source crops.
    sample_numbers
        0, 1, … counts the samples of one source.
    seed
        Of the job.
    """

    canvases: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    crop_ids: Sequence[str]
    sample_numbers: Sequence[int]
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse arrays that do not describe the same crops."""
        count, channels, side, _ = self.canvases.shape
        if channels != DAPI + 1 or self.canvases.dtype != np.uint8 or self.masks.dtype != np.bool_:
            raise ValueError("canvases must be (N, 3, S, S) uint8 and masks bool.")
        if self.masks.shape != (count, side, side) or not (
            len(self.crop_ids) == len(self.sample_numbers) == count
        ):
            raise ValueError("Canvases, masks, crop_ids and sample_numbers must be of the same N crops.")

    def __len__(self) -> int:
        """Return N."""
        return len(self.canvases)

    def generators(self) -> list[np.random.Generator]:
        """Make the N crops' own random generators; see `generator_of`."""
        return [
            generator_of(self.seed, crop_id, number)
            for crop_id, number in zip(self.crop_ids, self.sample_numbers, strict=True)
        ]


class CanvasGenerator(Protocol):
    """Anything that makes synthetic aberrations."""

    def generate(self, sources: Sources, check: Callable[[], None] = ...) -> NDArray[np.uint8]:
        """Generate one canvas per source.

        What is made of a source follows from the source, its crop id, its sample number and the seed
        alone: never from the other N - 1, nor from how they are batched. `check` is called between pieces
        of work and may raise to stop.

        Returns
        -------
        (N, 3, S, S) uint8
            Red, green, DAPI; black off the mask.
        """


def generator_of(seed: int, crop_id: str, sample_number: int) -> np.random.Generator:
    """Make the random generator of one sample of one crop.

    It is a counter-based one (Philox) on the CPU, so that the noise is the same on every device.
    """
    digest = hashlib.sha256(f"{seed}:{sample_number}:{crop_id}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "big")))
