"""Checkpoints of the official code: ``latest_net_G_A.pth`` is read, and written.

``G_A`` translates domain A to domain B. If A was DAPI and B the colours it is the wanted network; a
file does not say what its domains were.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import torch

from models.cyclegan import network
from models.state_files import WeightsError, read_state

if TYPE_CHECKING:
    from collections.abc import Mapping

# Instance normalisation kept these before PyTorch 0.4; they were never used, and are dropped.
_STATISTICS = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")
_LAYER_BIAS = re.compile(r"model\.(\d+)\.bias$")
_WANTED = "Give latest_net_G_A.pth of a CycleGAN with --netG resnet_9blocks or resnet_6blocks."


def from_bytes(content: bytes) -> tuple[network.Generator, network.GeneratorConfig]:
    """Read a generator of the official code; its size is told from the shapes.

    Parameters
    ----------
    content
        A ``.pth`` file, read without running anything in it, or safetensors with the same names.

    Raises
    ------
    WeightsError
        The bytes are no such generator; the message says what they seem to be instead.
    """
    state = read_state(content)
    _refuse_other_networks(state)
    net = network.from_state_dict(
        {name: tensor for name, tensor in state.items() if not _STATISTICS.search(name)}
    )
    return net, net.config


def to_official(weights: bytes) -> bytes:
    """Turn our weights of a generator into a ``.pth`` file that the official code loads as ``G_A``.

    Parameters
    ----------
    weights
        As `network.to_safetensors` writes them.

    Raises
    ------
    WeightsError
        The bytes are no weights of a generator.
    """
    net = network.from_state_dict(read_state(weights))
    buffer = io.BytesIO()
    torch.save({name: tensor.detach().clone() for name, tensor in net.state_dict().items()}, buffer)
    return buffer.getvalue()


def _refuse_other_networks(state: Mapping[str, torch.Tensor]) -> None:
    """Name the networks that the same training script writes, or that its options make."""
    first = state.get("model.1.weight")
    if "model.0.weight" in state:
        raise WeightsError(f"This is a discriminator, which judges pictures and makes none. {_WANTED}")
    if any(name.startswith("model.model.") for name in state):
        raise WeightsError(f"This is a U-Net generator, as pix2pix uses it. {_WANTED}")
    if "model.2.weight" in state:
        raise WeightsError(f"This generator has batch normalisation, not --norm instance. {_WANTED}")
    if any(name.endswith(".conv_block.6.weight") for name in state):
        raise WeightsError(f"This generator was trained with dropout, not with --no_dropout. {_WANTED}")
    if first is None:
        raise WeightsError(f"There is no tensor 'model.1.weight': not a ResNet generator. {_WANTED}")
    channels = (first.shape[1] if first.ndim > 1 else 0, _channels_made(state))
    if channels != (network.IMAGE_CHANNELS, network.IMAGE_CHANNELS):
        raise WeightsError(
            f"This generator makes {channels[1]} channels of {channels[0]}; DAPI is given three times and "
            "becomes red, green, DAPI: train with --input_nc 3 --output_nc 3."
        )


def _channels_made(state: Mapping[str, torch.Tensor]) -> int:
    """Channels of the layer with the highest number; 0 if no layer has a bias."""
    layers = {int(match[1]): name for name in state if (match := _LAYER_BIAS.match(name))}
    return state[layers[max(layers)]].numel() if layers else 0
