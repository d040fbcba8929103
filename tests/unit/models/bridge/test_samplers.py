from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.bridge.samplers import Sampling, sample
from models.bridge.scheduler import BrownianBridge
from tests.support import official_bbdm

BRIDGE = BrownianBridge()
EVERY_WAY = [
    *(Sampling("bbdm", steps, eta) for steps in (3, 10, 200) for eta in (0.0, 0.5, 1.0)),
    *(Sampling("dbim", steps, order=order) for steps in (2, 5, 20) for order in (1, 2, 3)),
]


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noise_from(seed: int, like: torch.Tensor) -> Callable[[], torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(like.shape, generator=generator, dtype=like.dtype)


class TestSample:
    @pytest.mark.parametrize("steps", [10, 50])
    def test_follows_the_official_chain(self, steps: int) -> None:
        """Whole chains of the official code, network and all."""
        y, noise = official_bbdm.tensor("batch/y"), official_bbdm.tensor("batch/noise")

        def denoise(x_t: torch.Tensor, t: int) -> torch.Tensor:
            times = torch.full((len(y),), t)
            output = official_bbdm.network()(x_t, times, y)
            return BRIDGE.predict_x0(output, x_t, y, times).clamp(-1.0, 1.0)

        with torch.inference_mode():
            found = sample(Sampling("bbdm", steps), BRIDGE, denoise, y, lambda: noise)

        torch.testing.assert_close(found, official_bbdm.tensor(f"chain/{steps}/sample"), atol=5e-6, rtol=1e-5)

    @pytest.mark.parametrize("sampling", EVERY_WAY, ids=str)
    def test_follows_an_oracle_to_its_target(self, sampling: Sampling) -> None:
        """Where the network knows the answer, every sampler arrives at it."""
        x0, y = normal(2, 3, 4, 4, seed=1), normal(2, 3, 4, 4, seed=2)
        found = sample(sampling, BRIDGE, lambda *_: x0, y, noise_from(3, y))

        assert torch.equal(x0, found)

    @pytest.mark.parametrize("sampling", EVERY_WAY, ids=str)
    def test_calls_the_network_once_per_step(self, sampling: Sampling) -> None:
        """Steps are what a user pays for."""
        times: list[int] = []
        y = normal(1, 3, 2, 2, seed=2)

        def denoise(x_t: torch.Tensor, t: int) -> torch.Tensor:
            times.append(t)
            return x_t

        sample(sampling, BRIDGE, denoise, y, noise_from(3, y))

        assert sampling.steps == len(times)
        assert (999, 0) == (times[0], times[-1])

    @pytest.mark.parametrize(
        ("sampling", "draws"),
        [
            (Sampling("bbdm", 10, 0.0), 1),
            (Sampling("dbim", 10), 1),
            (Sampling("bbdm", 10, 0.5), 9),
            (Sampling("bbdm", 10, 1.0), 9),
        ],
    )
    def test_draws_noise_only_where_it_enters(self, sampling: Sampling, draws: int) -> None:
        """With η = 0, and with dbim, nothing is random after the first step."""
        drawn = []
        y = normal(1, 3, 2, 2, seed=2)

        def noise() -> torch.Tensor:
            drawn.append(1)
            return torch.zeros_like(y)

        sample(sampling, BRIDGE, lambda x_t, _: x_t, y, noise)

        assert draws == len(drawn)


class TestMarginals:
    @pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
    def test_the_chains_variance_is_the_bridges(self, eta: float) -> None:
        """Whatever η is, x_t of the chain is distributed as x_t of the forward bridge (Monte Carlo)."""
        count = 40_000
        x0, y = torch.full((count, 1, 1, 1), 0.7), torch.full((count, 1, 1, 1), -0.4)
        seen: dict[int, torch.Tensor] = {}
        draw = noise_from(7, y)
        x_t = y
        for index, (t, n) in enumerate(itertools.pairwise(BRIDGE.timesteps(20))):
            step_eta = 1.0 if index == 0 else eta
            x_t = BRIDGE.step(x0, x_t, y, (t, n), eta=step_eta, noise=draw())
            seen[n] = x_t
        for n, found in seen.items():
            mean = (1 - BRIDGE.m[n]) * 0.7 + BRIDGE.m[n] * -0.4

            # Starting at y itself instead of a sample at time T - 1 leaves m_T = 0.999 of a trace.
            assert BRIDGE.variance[n] == pytest.approx(float(found.var()), rel=0.04)
            assert mean == pytest.approx(float(found.mean()), abs=0.02)

    def test_first_step_of_dbim_has_the_bridges_variance(self) -> None:
        """The noise that dbim starts with is that of the bridge at its second time."""
        y = torch.full((40_000, 1, 1, 1), -0.4)
        seen = []

        def denoise(x_t: torch.Tensor, t: int) -> torch.Tensor:
            seen.append((t, x_t))
            return torch.full_like(x_t, 0.7)

        sample(Sampling("dbim", 5), BRIDGE, denoise, y, noise_from(7, y))
        for t, x_t in seen[1:]:
            assert BRIDGE.variance[t] == pytest.approx(float(x_t.var()), rel=0.03)


class TestDbim:
    @staticmethod
    def _distance_to_the_flow(order: int, steps: int) -> float:
        """How far a sampler ends from the flow's solution, for a network whose answer is curved in x."""

        def denoise(x_t: torch.Tensor, t: int) -> torch.Tensor:
            return torch.tanh(1.5 * x_t + 0.3 * np.sin(BRIDGE.m[t] * 3))

        y = normal(8, 1, 4, 4, seed=2)
        start = BRIDGE.cosine_timesteps(steps)[1]
        noise = normal(8, 1, 4, 4, seed=3)
        x0_hat = denoise(y, 999)
        begin = (1 - BRIDGE.m[start]) * x0_hat + BRIDGE.m[start] * y
        begin = begin + np.sqrt(BRIDGE.variance[start]) * noise
        exact = begin
        for t, n in itertools.pairwise(range(start, -1, -1)):
            exact = BRIDGE.step(denoise(exact, t), exact, y, (t, n), eta=0.0)
        found = sample(Sampling("dbim", steps, order=order), BRIDGE, denoise, y, lambda: noise)
        return float((found - denoise(exact, 0)).abs().mean())

    def test_first_order_is_the_step_without_noise(self) -> None:
        """The identity of BBDM at η = 0 and DBIM of first order, step by step."""
        y, x_t, x0_hat = (normal(2, 3, 4, 4, seed=seed) for seed in (1, 2, 3))
        seen = []

        def denoise(image: torch.Tensor, _: int) -> torch.Tensor:
            seen.append(image)
            return x0_hat

        sample(Sampling("dbim", 6, order=1), BRIDGE, denoise, y, lambda: x_t)
        for index, (t, n) in enumerate(itertools.pairwise(BRIDGE.cosine_timesteps(6))):
            if index:
                expected = BRIDGE.step(x0_hat, seen[index], y, (t, n), eta=0.0)

                torch.testing.assert_close(seen[index + 1], expected, atol=1e-12, rtol=1e-10)

    def test_higher_orders_are_nearer_to_the_flow(self) -> None:
        """The second order pays at ten steps already, the third needs more of them."""
        assert self._distance_to_the_flow(2, 10) < 0.8 * self._distance_to_the_flow(1, 10)
        assert self._distance_to_the_flow(2, 20) < 0.5 * self._distance_to_the_flow(1, 20)
        assert self._distance_to_the_flow(3, 50) < 0.5 * self._distance_to_the_flow(1, 50)

    def test_more_steps_are_nearer_to_the_flow(self) -> None:
        """The method converges."""
        few, more, many = (self._distance_to_the_flow(2, steps) for steps in (10, 20, 50))

        assert many < more < few


class TestSampling:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"sampler": "ddim"}, "use one of bbdm, dbim"),
            ({"eta": 1.5}, "use 0 to 1"),
            ({"order": 4}, "use 1 to 3"),
            ({"sampler": "dbim", "eta": 0.0}, "eta belongs to the sampler bbdm"),
        ],
    )
    def test_refuses_what_no_sampler_can_do(self, options: dict[str, object], said: str) -> None:
        """The message lists what there is."""
        with pytest.raises(ValueError, match=said):
            Sampling(**options)  # type: ignore[arg-type]
