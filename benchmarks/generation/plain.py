"""The reference recipe as somebody would write it down first: eager, float32, images channel by channel.

The same network; everything around it is what a user would run instead: PyTorch's own loop for a
training step with averages, and the paper's sampler, 200 steps with fresh noise.
"""

from __future__ import annotations

import itertools

import torch
from torch.nn import functional

from models.bridge.network import UNet, UNetConfig, build
from models.bridge.scheduler import BrownianBridge

TRAIN_TIMES = 1000
SAMPLING_STEPS = 200


class PlainTraining:
    """Adam on the L1 loss of ``grad``, and an average every sixteen steps."""

    def __init__(self, config: UNetConfig, device: torch.device) -> None:
        self.net = build(config, seed=0).to(device)
        self.average = build(config, seed=0).to(device)
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=1e-4)
        self._steps = torch.linspace(0.001, 0.999, TRAIN_TIMES, device=device)

    def step(self, x0: torch.Tensor, y: torch.Tensor) -> float:
        """One step on pairs in [-1, 1]; returns the loss."""
        t = torch.randint(0, TRAIN_TIMES, (len(x0),), device=x0.device)
        m = self._steps[t].view(-1, 1, 1, 1)
        noise = torch.randn_like(x0)
        target = m * (y - x0) + (2 * (m - m**2)).sqrt() * noise
        loss = functional.l1_loss(self.net(x0 + target, t, y), target)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the average."""
        for average, value in zip(self.average.parameters(), self.net.parameters(), strict=True):
            average.mul_(0.995).add_(value, alpha=0.005)


@torch.no_grad()
def plain_sample(net: UNet, y: torch.Tensor) -> torch.Tensor:
    """200 steps of the paper's sampler from sources in [-1, 1]."""
    bridge = BrownianBridge()
    times = bridge.timesteps(SAMPLING_STEPS)
    x_t = y
    for t, n in itertools.pairwise(times):
        now = torch.full((len(y),), t, device=y.device)
        x0_hat = (x_t - net(x_t, now, y)).clamp(-1, 1)
        x_t = bridge.step(x0_hat, x_t, y, (t, n), noise=torch.randn_like(y))
    return (x_t - net(x_t, torch.zeros(len(y), dtype=torch.int64, device=y.device), y)).clamp(-1, 1)
