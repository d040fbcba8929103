"""Small aberrations, and trainers that take milliseconds a step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.cyclegan.config import CycleganConfig
from models.cyclegan.data import CycleganData
from models.cyclegan.training import CycleganTrainer
from models.generation.sources import Sources

SMALL = CycleganConfig(
    steps=6,
    batch_size=2,
    generator_width=4,
    discriminator_width=4,
    blocks=1,
    record_every=2,
    pool_size=3,
    seed=5,
)


@pytest.fixture
def small() -> CycleganConfig:
    return SMALL


@pytest.fixture(scope="session")
def aberrations() -> NDArray[np.uint8]:
    """Bars of 32 px that are red on one side and green on the other, at different heights."""
    canvases = np.zeros((6, 3, 32, 32), np.uint8)
    for index, canvas in enumerate(canvases):
        rows = slice(8 + index, 18 + index)
        canvas[0, rows, 4:14] = 120 + 20 * index
        canvas[1, rows, 14:28] = 240 - 20 * index
        canvas[2, rows, 4:28] = 150
    return canvases


@pytest.fixture
def sources(aberrations: NDArray[np.uint8]) -> Sources:
    masks = aberrations[:, 2] > 0
    return Sources(aberrations, masks, [f"crop_{index}" for index in range(6)], [0] * 6)


@pytest.fixture
def trainer(aberrations: NDArray[np.uint8]) -> Callable[..., CycleganTrainer]:
    def make(config: CycleganConfig = SMALL) -> CycleganTrainer:
        data = CycleganData(aberrations, seed=config.seed)
        return CycleganTrainer(data, config, torch.device("cpu"))

    return make
