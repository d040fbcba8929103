"""What is kept of each epoch of a training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochRecord:
    """One epoch: mean losses, and on validation F1 at probability 0.5 and average precision.

    None where validation has no crop, or no aberration.
    """

    loss: float
    val_loss: float | None
    val_f1: float | None
    val_average_precision: float | None
