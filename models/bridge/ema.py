"""Moving averages of a network's weights, as the official code keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class EmaConfig:
    """When the averages move.

    Attributes
    ----------
    decay
        Share of the old average that stays at an update.
    start_step
        Until then the averages are copies.
    every
        Optimiser steps between updates.
    """

    decay: float = 0.995
    start_step: int = 30_000
    every: int = 16


class MovingAverage:
    """Averages of the parameters of one network."""

    def __init__(self, net: nn.Module, config: EmaConfig) -> None:
        self._config = config
        self.shadow = {name: value.detach().clone() for name, value in net.named_parameters()}

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """Take the weights after `step` steps in, if it is time.

        The averages of a training that ends between two updates are those of the last one.
        """
        if step % self._config.every:
            return
        decay = self._config.decay if step >= self._config.start_step else 0.0
        averages, values = zip(*self._pairs(net), strict=True)
        torch._foreach_lerp_(averages, values, 1.0 - decay)

    def _pairs(self, net: nn.Module) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
        return ((self.shadow[name], value) for name, value in net.named_parameters())
