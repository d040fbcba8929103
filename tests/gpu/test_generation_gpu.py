"""The generators on a GPU; passed over, and shown as skipped, where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.bridge.ema import EmaConfig
from models.bridge.generator import BridgeGenerator
from models.bridge.network import UNetConfig, build
from models.bridge.official import to_safetensors
from models.bridge.samplers import Sampling
from models.bridge.training import BridgeConfig, BridgeTrainer
from models.classification.preprocessing import Preprocessing
from models.cyclegan.config import CycleganConfig
from models.cyclegan.data import CycleganData
from models.cyclegan.training import CycleganTrainer
from models.generation.pairs import PairedCanvases
from models.generation.sources import Sources

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]

SIDE = 32
NET = UNetConfig(base_channels=32, multipliers=(1, 2), residual_blocks=1, head_channels=32, norm_groups=8)
CONFIG = BridgeConfig(
    steps=60,
    network=NET,
    learning_rate=1e-3,
    ema=EmaConfig(0.9, 10, 1),
    sampling=Sampling("dbim", 5),
    preprocessing=Preprocessing(SIDE, 0.8),
    record_every=20,
    compiled=False,
)


def canvases(count: int) -> np.ndarray:
    """Red where DAPI is bright."""
    dapi = np.random.default_rng(0).integers(0, 256, (count, 1, SIDE, SIDE), np.uint8)
    return np.concatenate([dapi, 255 - dapi, dapi], axis=1)


def sources(count: int) -> Sources:
    masks = np.ones((count, SIDE, SIDE), np.bool_)
    return Sources(canvases(count), masks, [f"crop_{i}" for i in range(count)], [0] * count)


def generator(device: str, precision: str = "auto") -> BridgeGenerator:
    weights = to_safetensors(build(NET, seed=1).state_dict(), CONFIG.spec.bridge, NET)
    return BridgeGenerator(weights, CONFIG.spec, torch.device(device), precision=precision)


def trainer(config: BridgeConfig = CONFIG) -> BridgeTrainer:
    pairs = PairedCanvases(canvases(16), seed=0)
    return BridgeTrainer(build(config.network, seed=0), pairs, config, torch.device("cuda"))


class TestBridgeGeneratorOnGpu:
    def test_a_crop_gives_the_same_picture_in_any_batch(self) -> None:
        """As on the CPU, bit for bit."""
        made, whole = generator("cuda"), sources(70)
        alone = Sources(whole.canvases[[67]], whole.masks[[67]], ["crop_67"], [0])

        assert np.array_equal(made.generate(whole)[[67]], made.generate(alone))

    def test_agrees_with_the_cpu(self) -> None:
        """In float32, devices differ by rounding alone: the noise is the same."""
        cpu, cuda = (
            generator(device, "float32").generate(sources(8)).astype(int) for device in ("cpu", "cuda")
        )

        assert np.abs(cpu - cuda).max() <= 3


class TestBridgeTrainerOnGpu:
    @pytest.mark.parametrize("compiled", [False, True])
    def test_learns(self, *, compiled: bool) -> None:
        """Eager and compiled, in bfloat16 where the GPU has it."""
        made = trainer(replace(CONFIG, compiled=compiled))
        made.run(60)

        assert made.history[-1]["loss"] < made.history[0]["loss"]

    def test_resumes(self) -> None:
        """A cut training goes on from its weights, averages and moments."""
        whole, cut = trainer(), trainer()
        whole.run(30)
        cut.run(10)
        again = trainer()
        again.resume(cut.checkpoint())
        again.run(20)
        expected, found = whole.net.state_dict(), again.net.state_dict()

        torch.testing.assert_close(found, expected, atol=1e-2, rtol=1e-1)
        assert whole.step == again.step


class TestCycleganTrainerOnGpu:
    def test_trains(self) -> None:
        """All losses stay finite."""
        config = CycleganConfig(steps=6, batch_size=2, generator_width=8, record_every=3)
        made = CycleganTrainer(CycleganData(canvases(8), seed=0), config, torch.device("cuda"))
        made.run(6)

        assert all(np.isfinite(value) for record in made.history for value in record.values())
