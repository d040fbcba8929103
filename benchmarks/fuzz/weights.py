"""Sound weights of very small networks, and what else is sent in their place."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch

from models.bridge import network as bridge_network
from models.bridge import official as bridge_official
from models.bridge.scheduler import BrownianBridge
from models.cyclegan import network as cyclegan_network
from models.segmentation import network as segmenter_network
from models.state_files import read_state

SHIPPED = Path(__file__).parents[2] / "models" / "weights"


@cache
def weight_seeds() -> Sequence[bytes]:
    """Networks as safetensors and as checkpoints of torch, and an archive of arrays."""
    unet = bridge_network.UNetConfig(8, multipliers=(1, 2), residual_blocks=1, head_channels=8, norm_groups=8)
    torch.manual_seed(0)
    bridge = bridge_network.build(unet, seed=0)
    segmenter = segmenter_network.build(segmenter_network.NetworkSpec((2, 2, 4, 4)))
    generator = cyclegan_network.build_generator(cyclegan_network.GeneratorConfig(width=4, blocks=1), seed=0)
    found = (
        segmenter_network.to_safetensors(segmenter),
        bridge_official.to_safetensors(bridge.state_dict(), BrownianBridge(num_train_timesteps=20), unet),
        cyclegan_network.to_safetensors(generator),
    )
    state = read_state(found[2])
    return (
        *found,
        _saved(state),
        _saved({"state_dict": state}),
        _saved({"model": state, "ema": {}}),
        _arrays(),
    )


@cache
def manifest_seeds() -> Sequence[bytes]:
    """Manifests of the shipped artifacts."""
    return tuple(
        (SHIPPED / f"{name}.json").read_bytes()
        for name in ("classifier_translocation", "filter_translocation")
    )


@cache
def shipped_filter() -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays of the shipped filter, and what it says of itself."""
    arrays = safetensors.numpy.load((SHIPPED / "filter_translocation.safetensors").read_bytes())
    return arrays, json.loads(arrays.pop("told").tobytes())


def _saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _arrays() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, weights=np.zeros((3, 3), np.float32))
    return buffer.getvalue()
