"""What goes wrong with a CycleGAN, each with a stable code."""

from __future__ import annotations

from typing import ClassVar


class TrainingError(ValueError):
    """Training cannot go on: its losses are not finite, or memory does not suffice."""

    code: ClassVar[str] = "training_failed"
    title: ClassVar[str] = "Training failed"
