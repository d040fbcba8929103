"""Parity with the official code: names, shapes, sizes, and what the networks compute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.cyclegan.network import Discriminator, Generator, GeneratorConfig

DATA = Path(__file__).parents[3] / "data"
TOLERANCE = 1e-4


def sawtooth(tensor: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return numbers in [-0.5, 0.5) by the formula of tests/data/README.md."""
    j = np.arange(int(np.prod(shape)), dtype=np.int64)
    return (((31 * j * j + 7919 * j + 104729 * tensor) % 10007) / 10007 - 0.5).reshape(shape)


def filled(net: torch.nn.Module) -> torch.nn.Module:
    """Give every tensor the formula's weights."""
    state = {}
    for index, (name, tensor) in enumerate(net.state_dict().items()):
        u = sawtooth(index, tuple(tensor.shape))
        values = u * np.sqrt(24 / np.prod(tensor.shape[1:])) if tensor.ndim > 1 else 0.2 * u
        state[name] = torch.from_numpy(values.astype(np.float32))
    net.load_state_dict(state)
    return net.eval()


def networks() -> dict[str, torch.nn.Module]:
    """Return the networks of the paper, without memory for their weights."""
    with torch.device("meta"):
        return {
            "generator_9": Generator(GeneratorConfig(blocks=9)),
            "generator_6": Generator(GeneratorConfig(blocks=6)),
            "discriminator": Discriminator(),
        }


@pytest.fixture(scope="module")
def recorded() -> dict[str, NDArray[Any]]:
    with np.load(DATA / "cyclegan_official.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy((2 * sawtooth(1000, (2, 3, 32, 32))).astype(np.float32))


class TestStateDict:
    @pytest.mark.parametrize("name", ["generator_9", "generator_6", "discriminator"])
    def test_is_that_of_the_official_code(self, name: str, recorded: dict[str, NDArray[Any]]) -> None:
        """Names, order and shapes, so that checkpoints load in both directions."""
        listing = [[key, list(tensor.shape)] for key, tensor in networks()[name].state_dict().items()]

        assert json.loads(str(recorded[name])) == listing

    @pytest.mark.parametrize(
        ("name", "millions"), [("generator_9", 11.378), ("generator_6", 7.838), ("discriminator", 2.765)]
    )
    def test_has_as_many_parameters_as_the_official_code_prints(self, name: str, millions: float) -> None:
        """Which its training script does when it starts."""
        total = sum(parameter.numel() for parameter in networks()[name].parameters())

        assert millions == round(total / 1e6, 3)


class TestForwardPass:
    def test_generator_makes_the_official_pictures(
        self, images: torch.Tensor, recorded: dict[str, NDArray[Any]]
    ) -> None:
        """Same weights and same input give what the official code printed."""
        with torch.inference_mode():
            made = filled(Generator(GeneratorConfig(width=8, blocks=2)))(images)

        np.testing.assert_allclose(recorded["translated"], made.numpy(), rtol=0.0, atol=TOLERANCE)

    def test_discriminator_judges_as_the_official_one(
        self, images: torch.Tensor, recorded: dict[str, NDArray[Any]]
    ) -> None:
        """Same weights and same input give what the official code printed."""
        with torch.inference_mode():
            judged = filled(Discriminator(8))(images)

        np.testing.assert_allclose(recorded["judged"], judged.numpy(), rtol=0.0, atol=TOLERANCE)

    def test_the_record_is_no_constant(self, recorded: dict[str, NDArray[Any]]) -> None:
        """Parity means something: what was recorded varies by much more than the tolerance."""
        assert min(recorded["translated"].std(), recorded["judged"].std()) > 0.4
