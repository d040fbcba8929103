"""How far an epoch is, so that a training can stop after any batch and go on bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch


@dataclass(frozen=True)
class EpochPart:
    """Batches of an epoch that are done, and the sum of the losses of so many crops."""

    batches: int = 0
    loss: float = 0.0
    crops: int = 0

    def plus(self, mean_loss: float, crops: int) -> EpochPart:
        """Add a batch."""
        return EpochPart(self.batches + 1, self.loss + mean_loss * crops, self.crops + crops)

    @property
    def mean_loss(self) -> float:
        """Of a crop."""
        return self.loss / self.crops

    def to_tensor(self) -> torch.Tensor:
        """(3,) float64, for a checkpoint."""
        return torch.tensor([self.batches, self.loss, self.crops], dtype=torch.float64)

    @classmethod
    def of_tensor(cls, tensor: torch.Tensor | None) -> Self:
        """Read what `to_tensor` wrote; a checkpoint without it was made between two epochs."""
        if tensor is None:
            return cls()
        batches, loss, crops = tensor.tolist()
        return cls(int(batches), loss, int(crops))
