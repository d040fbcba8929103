"""The face that every trainer of a generator shows, so that one pipeline can drive them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from models.generation.sources import Sources

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class GeneratorTrainer(Protocol):
    """A training that can be stopped after any step and resumed bit for bit.

    Attributes
    ----------
    step, planned_steps
        Optimiser steps done, and how many there will be.
    history
        One record per few steps: ``step``, and means since the last record.
    """

    step: int
    history: list[dict[str, float]]

    @property
    def planned_steps(self) -> int:
        """How many steps there will be."""

    def run(self, num_steps: int, check: Callable[[], None] = ...) -> None:
        """Train at most so many steps further; `check` is called before each."""

    def checkpoint(self) -> bytes:
        """Everything an exact resume needs, as safetensors."""

    def resume(self, content: bytes) -> None:
        """Continue from a checkpoint of the same data and configuration."""

    def weights(self) -> bytes:
        """Safetensors of what generates: moving averages where there are any."""

    def sample(self, sources: Sources, check: Callable[[], None] = ...) -> NDArray[np.uint8]:
        """Generate with the present weights: (N, 3, S, S) uint8."""
