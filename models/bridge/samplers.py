"""From a source y to an image x_0, along the bridge: the loop that calls network and scheduler in turn.

Two samplers work on the same weights. ``bbdm`` is the paper's: many short steps, with fresh noise.
``dbim`` rests on an identity: BBDM is the bridge of variance 2 s m_t with the coefficients a = m_t,
b = 1 - m_t, c = sqrt(δ_t), so that Zheng et al., "Diffusion Bridge Implicit Models" (ICLR 2025), applies
to it. Its first step is random, all further ones follow an ordinary differential equation that is
linear but for x̂_0, and a few long steps of higher order solve it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

import torch

from models.bridge.scheduler import BrownianBridge

SamplerName = Literal["bbdm", "dbim"]
Denoise = Callable[[torch.Tensor, int], torch.Tensor]
"""Takes x_t and t, gives x̂_0 within [-1, 1]: the network and its meaning."""
Noise = Callable[[], torch.Tensor]
"""Gives standard normal numbers like x_t, fresh at each call."""

MAX_ORDER: Final = 3


@dataclass(frozen=True)
class Sampling:
    """How to sample.

    Attributes
    ----------
    sampler
        ``bbdm`` or ``dbim``.
    steps
        Calls of the network.
    eta
        Of ``bbdm``: 1 draws fresh noise at every step as the paper does, 0 only at the first.
    order
        Of ``dbim``: how many earlier x̂_0 a step looks at, 1 to 3.
    """

    sampler: str = "bbdm"
    steps: int = 200
    eta: float = 1.0
    order: int = 2

    def __post_init__(self) -> None:
        """Refuse what no sampler can do."""
        known = get_args(SamplerName)
        if self.sampler not in known:
            raise ValueError(f"sampler is {self.sampler!r}; use one of {', '.join(known)}.")
        if not 0.0 <= self.eta <= 1.0:
            raise ValueError(f"eta is {self.eta}; use 0 to 1.")
        if not 1 <= self.order <= MAX_ORDER:
            raise ValueError(f"order is {self.order}; use 1 to {MAX_ORDER}.")
        if self.sampler == "dbim" and self.eta != 1.0:
            raise ValueError("eta belongs to the sampler bbdm; dbim draws noise at its first step alone.")

    def to_json(self) -> dict[str, Any]:
        """Return what a manifest keeps."""
        return asdict(self)


def sample(
    sampling: Sampling, bridge: BrownianBridge, denoise: Denoise, y: torch.Tensor, noise: Noise
) -> torch.Tensor:
    """Walk from the source to an image.

    Parameters
    ----------
    y : (B, 3, S, S) float32 in [-1, 1]
    noise
        Called in the same order whatever the batch.

    Returns
    -------
    (B, 3, S, S) float32 in [-1, 1]
    """
    if sampling.sampler == "dbim":
        return _dbim(sampling, bridge, denoise, y, noise)
    return _bbdm(sampling, bridge, denoise, y, noise)


def _bbdm(
    sampling: Sampling, bridge: BrownianBridge, denoise: Denoise, y: torch.Tensor, noise: Noise
) -> torch.Tensor:
    """Algorithm 2 of BBDM; the call at time 0 gives the image."""
    timesteps = bridge.timesteps(sampling.steps)
    x_t = y
    for index, (t, n) in enumerate(itertools.pairwise(timesteps)):
        # At y itself there is no noise yet that a deterministic step could carry on.
        eta = 1.0 if index == 0 else sampling.eta
        x0_hat = denoise(x_t, t)
        x_t = bridge.step(x0_hat, x_t, y, (t, n), eta=eta, noise=noise() if eta else None)
    return denoise(x_t, timesteps[-1])


def _dbim(
    sampling: Sampling, bridge: BrownianBridge, denoise: Denoise, y: torch.Tensor, noise: Noise
) -> torch.Tensor:
    """One random step, then the probability flow by exponential integrators in λ = log(b / c)."""
    timesteps = bridge.cosine_timesteps(sampling.steps)
    steps = list(itertools.pairwise(timesteps))
    t, n = steps[0]
    x0_hat = denoise(y, t)
    mean = (1.0 - bridge.m[n]) * x0_hat + bridge.m[n] * y
    x_t = mean + math.sqrt(bridge.variance[n]) * noise()
    # λ of the first time says nothing: the walk begins where the noise does.
    known: list[tuple[float, torch.Tensor]] = []
    for t, n in steps[1:]:
        known.append((_lambda(bridge, t), denoise(x_t, t)))
        known = known[-sampling.order :]
        x_t = _flow(bridge, known, x_t, y, (t, n))
    return denoise(x_t, timesteps[-1])


def _lambda(bridge: BrownianBridge, t: int) -> float:
    """log(b / c), half the logarithm of the signal-to-noise ratio."""
    return math.log((1.0 - bridge.m[t]) / math.sqrt(bridge.variance[t]))


def _flow(
    bridge: BrownianBridge,
    known: list[tuple[float, torch.Tensor]],
    x_t: torch.Tensor,
    y: torch.Tensor,
    times: tuple[int, int],
) -> torch.Tensor:
    """x_n = (c_n / c_t) x_t + (a_n - c_n a_t / c_t) y + c_n ∫ e^λ x̂_0(λ) dλ, from λ_t to λ_n.

    x̂_0(λ) is the polynomial through the known values (λ, x̂_0), of which the last is at t.
    """
    t, n = times
    c_t, c_n = (math.sqrt(bridge.variance[time]) for time in times)
    ratio = c_n / c_t
    m_t, m_n = float(bridge.m[t]), float(bridge.m[n])
    x_n = ratio * x_t + (m_n - ratio * m_t) * y
    start, h = known[-1][0], _lambda(bridge, n) - known[-1][0]
    # c_n e^λ = c_n e^λ_n e^(λ - λ_n) = b_n e^(λ - λ_n), which stays in range where e^λ would not.
    b_n = 1.0 - m_n
    for weight, (_, x0_hat) in zip(_weights([at - start for at, _ in known], h), known, strict=True):
        x_n = x_n + (b_n * weight) * x0_hat
    return x_n


def _weights(nodes: list[float], h: float) -> list[float]:
    """Integrals of the Lagrange polynomials of the nodes, times e^(u - h), for u from 0 to h."""
    moments = _moments(len(nodes), h)
    weights = []
    for index, own in enumerate(nodes):
        polynomial = [1.0]
        for other_index, other in enumerate(nodes):
            if other_index != index:
                scale = 1.0 / (own - other)
                shifted = [0.0, *polynomial]
                polynomial = [
                    scale * (high - other * low)
                    for high, low in zip(shifted, [*polynomial, 0.0], strict=True)
                ]
        weights.append(sum(c * moment for c, moment in zip(polynomial, moments, strict=True)))
    return weights


def _moments(count: int, h: float) -> list[float]:
    """∫ u^k e^(u - h) du from 0 to h, for k = 0 … count - 1: by parts, h^k - k times the one before."""
    moments = [-math.expm1(-h)]
    for k in range(1, count):
        moments.append(h**k - k * moments[-1])
    return moments
