"""How a CycleGAN is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from models.cyclegan.network import PAPER_WIDTH, GeneratorConfig, blocks_for

PAPER_EPOCHS: Final = 200
_ALWAYS_POSITIVE = ("steps", "batch_size", "generator_width", "discriminator_width", "record_every")
_NEVER_NEGATIVE = ("cycle_weight", "identity_weight", "pool_size", "seed")


@dataclass(frozen=True)
class CycleganConfig:
    """How to train; the defaults are the paper's, or the reference code's where the paper is silent.

    Attributes
    ----------
    steps
        Planned optimiser steps; see `steps_of_epochs`. The learning rate is constant over the first
        half and falls linearly to zero over the second.
    batch_size
        8 in the paper. CycleGAN's authors advise 1, which suits small sets better.
    cycle_weight
        Of the way there and back, relative to the adversarial loss.
    identity_weight
        Of leaving alone what is in the wanted domain already, relative to `cycle_weight`.
    pool_size
        Generated pictures kept for the discriminators.
    generator_width, discriminator_width
        64 each in the paper; 32 can be trained on a CPU.
    blocks
        Residual blocks of the generators. None: 9, and 6 on canvases below 128 px.
    record_every
        Steps from one record of the history to the next.
    precision
        See `models.precision`.

    Raises
    ------
    ValueError
        A number is out of range; the message names it.
    """

    steps: int
    batch_size: int = 8
    learning_rate: float = 2e-4
    beta1: float = 0.5
    cycle_weight: float = 10.0
    identity_weight: float = 0.5
    pool_size: int = 50
    generator_width: int = PAPER_WIDTH
    discriminator_width: int = PAPER_WIDTH
    blocks: int | None = None
    record_every: int = 50
    seed: int = 0
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Refuse numbers that no training can use."""
        for name in _ALWAYS_POSITIVE:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        for name in _NEVER_NEGATIVE:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must not be negative.")
        no_blocks = self.blocks is not None and self.blocks < 1
        if not (self.learning_rate > 0 and 0 <= self.beta1 < 1) or no_blocks:
            raise ValueError(
                f"learning_rate {self.learning_rate}, beta1 {self.beta1}, blocks {self.blocks}: give a "
                "positive rate, beta1 from 0 to below 1, and None or at least one block."
            )

    def network(self, canvas_px: int) -> GeneratorConfig:
        """Size of the generators on canvases of this side."""
        blocks = blocks_for(canvas_px) if self.blocks is None else self.blocks
        return GeneratorConfig(self.generator_width, blocks)

    def learning_rate_at(self, step: int) -> float:
        """Rate of the optimiser step after `step` of them are done."""
        falling = self.steps - self.steps // 2
        return self.learning_rate * min(1.0, max(self.steps - step, 0) / falling)

    def to_json(self) -> dict[str, Any]:
        """Return what a manifest keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> CycleganConfig:
        """Read what `to_json` wrote; raises `ValueError` for a name that is not known."""
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(stored) - set(known))
        if unknown:
            raise ValueError(f"Unknown: {', '.join(unknown)}. Known are {', '.join(known)}.")
        return cls(**stored)


def steps_of_epochs(num_canvases: int, batch_size: int, epochs: int = PAPER_EPOCHS) -> int:
    """Steps after which every training canvas was seen `epochs` times; the paper trains for 200."""
    return math.ceil(epochs * num_canvases / batch_size)
