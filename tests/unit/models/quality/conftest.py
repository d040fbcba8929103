"""What tests of quality share: chromosomes that are drawn, and the compiled comparison."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from models.quality.ssim import max_ssim

Drawn = tuple[NDArray[np.uint8], NDArray[np.bool_]]
Draw = Callable[..., Drawn]


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """Compile once, so that no single test pays for it."""
    tiny = np.zeros((1, 3, 8, 8), np.uint8)
    tiny[..., 4, 4] = 9
    max_ssim(tiny, tiny)


@pytest.fixture
def draw() -> Draw:
    """Draw one upright chromosome (3, 32, 32) whose upper part has another colour."""

    def drawn(
        upper: tuple[int, int], lower: tuple[int, int], *, cut: float = 0.5, noise: float = 0.0, seed: int = 0
    ) -> Drawn:
        rng = np.random.default_rng(seed)
        mask = np.zeros((32, 32), bool)
        mask[4:28, 12:20] = True
        canvas = np.zeros((3, 32, 32))
        edge = 4 + round(24 * cut)
        for channel in range(2):
            canvas[channel, :edge], canvas[channel, edge:] = upper[channel], lower[channel]
        canvas[2] = 150 + 60 * rng.random((32, 32))
        canvas += rng.normal(0, noise, canvas.shape)
        return (np.clip(canvas, 0, 255) * mask).astype(np.uint8), mask

    return drawn
