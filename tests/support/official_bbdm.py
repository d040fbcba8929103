"""Numbers of the official BBDM code, and the small network that they were computed with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch

from models.bridge.network import UNet, UNetConfig

RECORDED = Path(__file__).parents[1] / "data" / "bbdm_official.npz"
CONFIG = UNetConfig(base_channels=32, multipliers=(1, 2), residual_blocks=1, head_channels=16)
_WEIGHT_SEED = 1
_WEIGHT_STD = 0.05


@cache
def recorded() -> Mapping[str, np.ndarray]:
    """All arrays, by name; tests/data/README.md says what they are."""
    with np.load(RECORDED, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def tensor(name: str) -> torch.Tensor:
    """One array as a tensor."""
    return torch.from_numpy(recorded()[name].copy())


@cache
def network() -> UNet:
    """The network with the weights that the official code was given: normal numbers from a seed."""
    generator = torch.Generator().manual_seed(_WEIGHT_SEED)
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in UNet(CONFIG).state_dict().items()}
    state = {name: torch.randn(shape, generator=generator) * _WEIGHT_STD for name, shape in shapes.items()}
    digest = hashlib.sha256(b"".join(value.numpy().tobytes() for value in state.values())).hexdigest()
    assert str(recorded()["unet/state_sha256"]) == digest, "torch draws other numbers than it used to"
    net = UNet(CONFIG)
    net.load_state_dict(state)
    return net.eval()
