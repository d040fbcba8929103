from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.classification import network

DATA = Path(__file__).parents[3] / "data"
RELATIVE_TOLERANCE = 1e-4


def sawtooth(tensor: int, shape: Sequence[int]) -> NDArray[np.float64]:
    """Return numbers in [-0.5, 0.5) by the formula of tests/data/README.md."""
    j = np.arange(int(np.prod(shape)), dtype=np.int64)
    return (((31 * j * j + 7919 * j + 104729 * tensor) % 10007) / 10007 - 0.5).reshape(shape)


def made_tensor(index: int, name: str, shape: Sequence[int]) -> torch.Tensor:
    """Fill an entry of the state dict by the formula."""
    u = sawtooth(index, shape)
    if name.endswith("num_batches_tracked"):
        return torch.tensor(index)
    if name.endswith("running_var"):
        values = 1 + 0.5 * u
    elif len(shape) > 1:
        values = u * np.sqrt(24 / np.prod(shape[1:]))
    elif name.endswith(".weight"):
        values = 1 + 0.5 * u
    else:
        values = 0.2 * u
    return torch.from_numpy(values.astype(np.float32))


def listing(net: torch.nn.Module) -> list[list[Any]]:
    """Return name, shape and dtype of every entry of the state dict."""
    return [[name, list(tensor.shape), str(tensor.dtype)] for name, tensor in net.state_dict().items()]


@pytest.fixture(scope="module")
def recorded() -> dict[str, NDArray[Any]]:
    with np.load(DATA / "torchvision_resnet18.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def filled(recorded: dict[str, NDArray[Any]]) -> network.ResNet18:
    """A network with the weights of the formula, loaded as a checkpoint of torchvision would be."""
    entries = json.loads(str(recorded["state_2"]))
    state = {name: made_tensor(index, name, shape) for index, (name, shape, _) in enumerate(entries)}
    return network.from_state_dict(state).eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy((2 * sawtooth(1000, (2, 3, 64, 64))).astype(np.float32))


class TestStateDict:
    @pytest.mark.parametrize("num_classes", [2, 1000])
    def test_is_that_of_torchvision(self, num_classes: int, recorded: dict[str, NDArray[Any]]) -> None:
        """Names, order, shapes and dtypes are those that torchvision 0.28 has."""
        expected = json.loads(str(recorded[f"state_{num_classes}"]))

        assert expected == listing(network.build(num_classes=num_classes))


class TestForwardPass:
    def test_logits_are_those_of_torchvision(
        self, filled: network.ResNet18, images: torch.Tensor, recorded: dict[str, NDArray[Any]]
    ) -> None:
        """Same weights and same input give what torchvision's own code printed."""
        with torch.inference_mode():
            logits = filled(images)

        np.testing.assert_allclose(recorded["logits"], logits.numpy(), rtol=RELATIVE_TOLERANCE)

    def test_features_are_those_of_torchvision(
        self, filled: network.ResNet18, images: torch.Tensor, recorded: dict[str, NDArray[Any]]
    ) -> None:
        """The 512 values after the average pool are the same too, each of them."""
        with torch.inference_mode():
            features = filled.features(images)

        assert (2, 512) == features.shape
        np.testing.assert_allclose(
            recorded["features"], features.numpy(), rtol=RELATIVE_TOLERANCE, atol=RELATIVE_TOLERANCE
        )

    def test_the_record_tells_the_two_images_apart(self, recorded: dict[str, NDArray[Any]]) -> None:
        """Parity means something: the recorded embeddings differ by much more than the tolerance."""
        first, second = recorded["features"]

        assert float(np.abs(first - second).max()) > 0.5


class TestPrintedLayout:
    def test_is_the_one_in_the_paper(self) -> None:
        """Every child prints as in appendix B.3 but for a word that newer torch adds to batch norms."""
        printed = str(network.build()).replace("affine=True, bias=True,", "affine=True,")

        expected = (DATA / "paper_resnet18.txt").read_text(encoding="utf-8").splitlines()[1:]

        assert expected == printed.splitlines()[1:]
