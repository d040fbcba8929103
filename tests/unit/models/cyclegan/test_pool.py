"""The image pool: how it fills up, how often it swaps, and that it repeats."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.cyclegan.pool import ImagePool


def numbered(first: int, count: int) -> torch.Tensor:
    """Pictures of one pixel, each with a value of its own."""
    return torch.arange(first, first + count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 1, 1)


def values(images: torch.Tensor) -> list[int]:
    return [int(value) for value in images[:, 0, 0, 0]]


class TestImagePool:
    def test_fills_up_before_it_swaps(self) -> None:
        """The first pictures come back, and are kept."""
        pool = ImagePool(4)
        rng = np.random.default_rng(0)

        assert [0, 1, 2, 3] == values(pool.exchange(numbered(0, 4), rng))
        state = pool.state()
        assert state is not None
        assert [0, 1, 2, 3] == values(state)

    def test_swaps_half_of_the_time(self) -> None:
        """Half of what comes out was made earlier, and the rest is what came in."""
        pool = ImagePool(50)
        rng = np.random.default_rng(0)
        pool.exchange(numbered(0, 50), rng)
        passed = [value == values(pool.exchange(numbered(value, 1), rng))[0] for value in range(50, 2050)]

        assert 0.5 == pytest.approx(np.mean(passed), abs=0.04)

    def test_every_place_is_swapped_alike(self) -> None:
        """A picture waits for 2 x 50 others on average, wherever it lies."""
        pool = ImagePool(50)
        rng = np.random.default_rng(1)
        ages = []
        for value in range(4000):
            out = values(pool.exchange(numbered(value, 1), rng))[0]
            if out != value:
                ages.append(value - out)

        assert 100.0 == pytest.approx(np.mean(ages), rel=0.15)

    def test_gives_out_nothing_twice(self) -> None:
        """What is handed out for another picture leaves the pool."""
        pool = ImagePool(5)
        rng = np.random.default_rng(2)
        out = [
            value for first in range(0, 200, 2) for value in values(pool.exchange(numbered(first, 2), rng))
        ]

        assert len(out[10:]) == len(set(out[10:]))

    def test_goes_on_where_it_was_cut(self) -> None:
        """A copy with the same pictures and draws hands out the same."""
        first, second = ImagePool(3), ImagePool(3)
        first.exchange(numbered(0, 5), np.random.default_rng(3))
        second.restore(first.state())
        outs = [values(pool.exchange(numbered(5, 9), np.random.default_rng(4))) for pool in (first, second)]

        assert outs[0] == outs[1]
        assert len(first) == len(second) == 3

    def test_an_empty_pool_has_no_state(self) -> None:
        """And can be restored from none."""
        pool = ImagePool(3)
        pool.exchange(numbered(0, 2), np.random.default_rng(0))
        pool.restore(ImagePool(3).state())

        assert 0 == len(pool)

    def test_size_zero_lets_everything_through(self) -> None:
        """Which switches it off."""
        out = ImagePool(0).exchange(numbered(0, 20), np.random.default_rng(0))

        assert list(range(20)) == values(out)

    def test_takes_the_same_number_of_draws_whatever_happens(self) -> None:
        """The draws of a batch do not depend on how full the pool is."""
        states = []
        for size in (0, 1, 50):
            rng = np.random.default_rng(7)
            ImagePool(size).exchange(numbered(0, 8), rng)
            states.append(rng.random())

        assert 1 == len(set(states))

    def test_refuses_a_negative_size(self) -> None:
        """Rather than never filling up."""
        with pytest.raises(ValueError, match="pool_size is -1"):
            ImagePool(-1)
