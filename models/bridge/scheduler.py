"""The Brownian bridge between an image x_0 and its source y: its noise, its targets, its reverse steps.

Knows nothing of networks. Symbols are those of Li, Xue, Liu & Lai, "BBDM: Image-to-Image Translation
with Brownian Bridge Diffusion Models" (CVPR 2023): m_t is how far time t is from x_0 to y, δ_t the
variance there. Two things differ from the paper's text, and are what its official code does: m runs
from 0.001 to 0.999, because δ_T = 0 would be divided by; and the steps are numbered 0 … T - 1.
"""

from __future__ import annotations

import math
from typing import Final, Literal, get_args

import numpy as np
import torch

PredictionType = Literal["grad", "noise", "ysubx"]
NUM_TRAIN_TIMESTEPS: Final = 1000
_EDGE = 0.001
_FEWEST_STEPS = 3


class BrownianBridge:
    """The schedule, and all that follows from it.

    Parameters
    ----------
    prediction_type
        What the network predicts: ``grad`` m_t (y - x_0) + sqrt(δ_t) ε, the official default;
        ``noise`` ε; ``ysubx`` y - x_0.
    max_variance
        s, the largest variance is s / 2.
    num_train_timesteps
        T.

    Attributes
    ----------
    m, variance : (T,) float64
        m_t and δ_t.
    """

    def __init__(
        self,
        prediction_type: str = "grad",
        *,
        max_variance: float = 1.0,
        num_train_timesteps: int = NUM_TRAIN_TIMESTEPS,
    ) -> None:
        known = get_args(PredictionType)
        if prediction_type not in known:
            raise ValueError(f"prediction_type is {prediction_type!r}; use one of {', '.join(known)}.")
        if max_variance <= 0 or num_train_timesteps < _FEWEST_STEPS:
            raise ValueError("max_variance must be positive, and there must be at least 3 timesteps.")
        self.prediction_type = prediction_type
        self.max_variance = max_variance
        self.num_train_timesteps = num_train_timesteps
        self.m = np.linspace(_EDGE, 1.0 - _EDGE, num_train_timesteps)
        self.variance = 2.0 * max_variance * (self.m - self.m**2)

    def timesteps(self, num_inference_steps: int) -> list[int]:
        """Times from T - 1 to 0, as the official code's ``linear`` list has them.

        Raises
        ------
        ValueError
            Fewer than 3 steps, or more than T.
        """
        last = self.num_train_timesteps - 1
        if not _FEWEST_STEPS <= num_inference_steps <= self.num_train_timesteps:
            raise ValueError(
                f"num_inference_steps is {num_inference_steps}; use {_FEWEST_STEPS} to {last + 1}."
            )
        if num_inference_steps == self.num_train_timesteps:
            return list(range(last, -1, -1))
        # float32, as torch.arange: where a time lies close to a whole number, this decides.
        walked = torch.arange(last, 1, step=-(last / (num_inference_steps - 2))).long().tolist()
        return [*walked, 1, 0]

    def cosine_timesteps(self, num_inference_steps: int) -> list[int]:
        """Times from T - 1 to 0, closer to each other towards both ends, where the bridge changes fastest.

        Not the official code's list of that name, which is broken.

        Raises
        ------
        ValueError
            Fewer than 2 steps, or more than T.
        """
        count, last = num_inference_steps, self.num_train_timesteps - 1
        if not 2 <= count <= self.num_train_timesteps:  # noqa: PLR2004 - both ends
            raise ValueError(f"num_inference_steps is {count}; use 2 to {self.num_train_timesteps}.")
        times = [last]
        for index in range(1, count):
            wished = round(last * (1.0 + math.cos(math.pi * index / (count - 1))) / 2.0)
            # Where there are many, no time may come twice, and enough must be left for the rest.
            times.append(max(min(wished, times[-1] - 1), count - 1 - index))
        return times

    def add_noise(
        self, x0: torch.Tensor, y: torch.Tensor, noise: torch.Tensor, t: torch.Tensor
    ) -> torch.Tensor:
        """x_t of eq. (3): (1 - m_t) x_0 + m_t y + sqrt(δ_t) ε, for a time per image, t (B,) int64."""
        m, std = self._at(t, x0)
        return (1.0 - m) * x0 + m * y + std * noise

    def target(self, x0: torch.Tensor, y: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """What the network should predict, for a time per image."""
        if self.prediction_type == "noise":
            return noise
        if self.prediction_type == "ysubx":
            return y - x0
        m, std = self._at(t, x0)
        return m * (y - x0) + std * noise

    def predict_x0(
        self, output: torch.Tensor, x_t: torch.Tensor, y: torch.Tensor, t: torch.Tensor
    ) -> torch.Tensor:
        """The x_0 that a prediction stands for, for a time per image."""
        if self.prediction_type == "grad":
            return x_t - output
        if self.prediction_type == "ysubx":
            return y - output
        m, std = self._at(t, x_t)
        return (x_t - m * y - std * output) / (1.0 - m)

    def step_variance(self, t: int, n: int) -> float:
        """σ² of the reverse step from t to n, eq. (9): how much fresh noise η = 1 adds."""
        return float(2.0 * self.max_variance * self.m[n] * (1.0 - self.m[n] / self.m[t]))

    def step(
        self,
        x0_hat: torch.Tensor,
        x_t: torch.Tensor,
        y: torch.Tensor,
        times: tuple[int, int],
        *,
        eta: float = 1.0,
        noise: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """x_n from x_t, eq. (13), with η² under the root.

        The official code leaves η out there, which is right for η = 1 alone: with less, the chain's
        variance would fall below the bridge's.

        Parameters
        ----------
        times
            t and the earlier n.
        noise : (B, 3, S, S)
            Needed unless η is 0.
        """
        t, n = times
        fresh = eta**2 * self.step_variance(t, n)
        kept = math.sqrt(max(self.variance[n] - fresh, 0.0) / self.variance[t])
        m_t, m_n = float(self.m[t]), float(self.m[n])
        x_n = (1.0 - m_n) * x0_hat + m_n * y + kept * (x_t - (1.0 - m_t) * x0_hat - m_t * y)
        if fresh > 0.0:
            if noise is None:
                raise ValueError("A step with eta > 0 needs noise.")
            x_n = x_n + math.sqrt(fresh) * noise
        return x_n

    def _at(self, t: torch.Tensor, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """m_t and sqrt(δ_t) of every image, to be multiplied with them."""
        times = t.cpu().numpy()
        shape = (-1, *([1] * (like.ndim - 1)))
        values = (self.m[times], np.sqrt(self.variance[times]))
        m, std = (torch.from_numpy(v).to(like.device, torch.float32).view(shape) for v in values)
        return m, std
