"""The image pool: discriminators also see pictures that generators made some steps ago.

Without it a discriminator forgets what it had learned to reject, and the two networks chase each
other in circles (Shrivastava et al., CVPR 2017).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import numpy as np

_EVEN_ODDS = 0.5


class ImagePool:
    """Keeps up to `size` generated pictures.

    Parameters
    ----------
    size
        50 in the paper; with 0, pictures pass through.
    """

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"pool_size is {size}; it must not be negative.")
        self._size = size
        self._images: list[torch.Tensor] = []

    def __len__(self) -> int:
        """Return how many pictures are kept."""
        return len(self._images)

    def exchange(self, images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Hand pictures in, and get as many out.

        While the pool fills up, the same pictures come back. After that, each is swapped for one that
        is kept, or passes through, with even odds.

        Parameters
        ----------
        images : (B, 3, S, S) float32
            Without gradients.
        rng
            Draws two numbers per picture, whether they are needed or not: the draws of a step do not
            depend on those before it.

        Returns
        -------
        (B, 3, S, S) float32
        """
        draws = rng.random((len(images), 2))
        handed_out = []
        for image, (swap, place) in zip(images, draws, strict=True):
            if len(self._images) < self._size:
                self._images.append(image.clone())
                handed_out.append(image)
            elif self._images and swap < _EVEN_ODDS:
                index = int(place * len(self._images))
                handed_out.append(self._images[index])
                self._images[index] = image.clone()
            else:
                handed_out.append(image)
        return torch.stack(handed_out)

    def state(self) -> torch.Tensor | None:
        """The pictures, (n, 3, S, S) float32, for a checkpoint; None of an empty pool."""
        return torch.stack(self._images) if self._images else None

    def restore(self, images: torch.Tensor | None) -> None:
        """Take over what `state` returned."""
        self._images = [] if images is None else list(images.clone())
