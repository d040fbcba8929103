"""The simulated queue against what is known of such queues."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.capacity.queueing import Load, Workers, arrivals, simulate

SINGLE = Load(images_per_min=60.0, images_per_job=1.0, burst=1)


class TestArrivals:
    def test_are_as_many_as_were_asked_for(self) -> None:
        """Jobs, their images and their bursts have the means that the load names."""
        load = Load(images_per_min=600.0, images_per_job=5.0, burst=3)

        moments, sizes = arrivals(load, 20_000.0, np.random.default_rng(0))

        assert sizes.sum() / 20_000 == pytest.approx(10, rel=0.05)
        assert sizes.mean() == pytest.approx(5, rel=0.05)
        assert moments.size == 3 * np.unique(moments).size


class TestSimulation:
    def test_agrees_with_the_theory_of_one_worker(self) -> None:
        """An M/M/1 queue at 80 % waits rho / (mu - lambda) = 3.2 s on average."""
        outcome = simulate(SINGLE, Workers(1, 0.8, 1.0, 0.0), 400_000.0, seed=1)

        assert outcome.waits_s.mean() == pytest.approx(3.2, rel=0.1)
        assert outcome.busy == pytest.approx(0.8, rel=0.02)

    def test_agrees_with_erlang_for_three_workers(self) -> None:
        """An M/M/3 queue at 80 % makes 64.7 % of the jobs wait (Erlang's C)."""
        outcome = simulate(SINGLE, Workers(3, 2.4, 1.0, 0.0), 400_000.0, seed=2)

        assert (outcome.waits_s > 0).mean() == pytest.approx(0.647, abs=0.03)

    def test_repeats_with_its_seed(self) -> None:
        """Two runs of one seed are the same run."""
        workers = Workers(2, 1.0, 0.4, 0.1)

        once, again = (simulate(SINGLE, workers, 1000.0, seed=3) for _ in range(2))

        assert np.array_equal(once.waits_s, again.waits_s)
