"""Weights of the bridge under the names of the official BBDM code, in and out.

Our safetensors hold exactly what the official ``BrownianBridgeModel.state_dict()`` holds: the U-Net under
``denoise_fn.`` and the schedule. ``python -m models.bridge.official weights.safetensors bbdm.pth`` writes a
checkpoint that the official code resumes from.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from models.bridge.network import IMAGE_CHANNELS, OFFICIAL_GROUPS, UNet, UNetConfig
from models.bridge.scheduler import BrownianBridge
from models.state_files import WeightsError, read_checkpoint, read_metadata, require_room

_UNTOLD: Final = "bridge"
PREFIX: Final = "denoise_fn."
_TOLERANCE = 1e-5
DEFAULT_HEAD_CHANNELS: Final = 64


def to_safetensors(
    state: Mapping[str, torch.Tensor], bridge: BrownianBridge, config: UNetConfig, *, half: bool = False
) -> bytes:
    """Write a U-Net's weights and the schedule under the official names.

    What no shape tells (heads, groups, the prediction's meaning) goes into the file's metadata.

    Parameters
    ----------
    half
        Store the weights as float16, half the size.
    """
    dtype = torch.float16 if half else torch.float32
    tensors = {
        f"{PREFIX}{name}": tensor.detach().to("cpu", dtype).contiguous() for name, tensor in state.items()
    }
    tensors |= {name: torch.from_numpy(values).float() for name, values in schedule_of(bridge).items()}
    untold = {
        "head_channels": config.head_channels,
        "norm_groups": config.norm_groups,
        "prediction_type": bridge.prediction_type,
    }
    # One text: safetensors writes several in any order, and the same weights must be the same bytes.
    return safetensors.torch.save(tensors, metadata={_UNTOLD: json.dumps(untold)})


def _untold(content: bytes) -> dict[str, Any]:
    """What `to_safetensors` wrote beside the tensors; nothing for other files."""
    try:
        return dict(json.loads(read_metadata(content).get(_UNTOLD, "{}")))
    except (ValueError, TypeError, RecursionError) as error:
        raise WeightsError("What the file says of its network beside the tensors is unreadable.") from error


def to_checkpoint(weights: bytes) -> bytes:
    """Turn our safetensors into a ``.pth`` that the official code resumes from.

    Raises
    ------
    WeightsError
        The official code has no such network: its groups of normalisation are 32.
    """
    groups = int(_untold(weights).get("norm_groups", OFFICIAL_GROUPS))
    if groups != OFFICIAL_GROUPS:
        raise WeightsError(
            f"This network normalises in {groups} groups, the official code always in {OFFICIAL_GROUPS}; "
            "train with size 'medium' or 'paper' to export."
        )
    model = {name: tensor.float() for name, tensor in safetensors.torch.load(weights).items()}
    averages = {name: tensor for name, tensor in model.items() if name.startswith(PREFIX)}
    stream = io.BytesIO()
    torch.save({"step": 0, "epoch": 0, "model": model, "ema": averages}, stream)
    return stream.getvalue()


def from_bytes(content: bytes, head_channels: int | None = None) -> tuple[UNet, BrownianBridge]:
    """Read weights of a bridge: ours, or an official checkpoint, of which the moving averages count.

    Parameters
    ----------
    head_channels
        Channels per attention head where the file does not say, as official ones; None: 64, the
        official default, or all of the middle block's if those are fewer.

    Returns
    -------
    net, bridge
        The bridge's variance is read from the schedule. An official checkpoint does not say what its
        network predicts, so `prediction_type` is the default there.

    Raises
    ------
    WeightsError
        The bytes are no weights of a BBDM in pixel space, or its schedule is another one.
    """
    try:
        return _read(content, head_channels)
    except (RuntimeError, ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"The tensors contradict each other: {error}") from error


def _read(content: bytes, head_channels: int | None) -> tuple[UNet, BrownianBridge]:
    checkpoint = read_checkpoint(content)
    model = checkpoint.get("model", checkpoint)
    if not isinstance(model, Mapping):
        raise WeightsError("The checkpoint's 'model' is not a dictionary of tensors.")
    averages = checkpoint.get("ema")
    state = _unet_state(averages if isinstance(averages, Mapping) and averages else model)
    untold = _untold(content)
    bridge = _bridge_of(model, untold.get("prediction_type", "grad"))
    heads = int(untold["head_channels"]) if "head_channels" in untold else head_channels
    net = UNet(_config_of(state, heads, int(untold.get("norm_groups", OFFICIAL_GROUPS))))
    try:
        net.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except RuntimeError as error:
        raise WeightsError(
            f"The tensors do not fit BBDM's U-Net: {str(error).splitlines()[-1].strip()}"
        ) from (error)
    return net.eval(), bridge


def schedule_of(bridge: BrownianBridge) -> dict[str, NDArray[np.float64]]:
    """The buffers that the official model registers: (T,) float64 each."""
    m, variance = bridge.m, bridge.variance
    m_before, variance_before = np.append(0.0, m[:-1]), np.append(0.0, variance[:-1])
    variance_step = variance - variance_before * ((1.0 - m) / (1.0 - m_before)) ** 2
    return {
        "m_t": m,
        "m_tminus": m_before,
        "variance_t": variance,
        "variance_tminus": variance_before,
        "variance_t_tminus": variance_step,
        "posterior_variance_t": variance_step * variance_before / variance,
    }


def _unet_state(state: Mapping[str, object]) -> dict[str, torch.Tensor]:
    named = {str(name).removeprefix("module."): tensor for name, tensor in state.items()}
    unet = {
        name.removeprefix(PREFIX): tensor
        for name, tensor in named.items()
        if name.startswith(PREFIX) and isinstance(tensor, torch.Tensor)
    }
    if "input_blocks.0.0.weight" not in unet:
        raise WeightsError(
            f"There is no U-Net under {PREFIX!r}; give a checkpoint of BBDM (latest_model_*.pth), or weights "
            "of a generator that this service trained."
        )
    return unet


def _config_of(state: Mapping[str, torch.Tensor], head_channels: int | None, norm_groups: int) -> UNetConfig:
    """Read the size of a U-Net from the shapes of its tensors."""
    first = state["input_blocks.0.0.weight"]
    if first.ndim != 4 or first.shape[1] != 2 * IMAGE_CHANNELS:  # noqa: PLR2004 - a convolution
        raise WeightsError(
            f"The first convolution is {tuple(first.shape)}; a BBDM in pixel space takes "
            f"{2 * IMAGE_CHANNELS} channels, the image and its source."
        )
    base = int(first.shape[0])
    blocks = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("input_blocks."))
    if base < 1 or blocks > len(state):
        raise WeightsError("The tensors are not those of BBDM's U-Net.")
    # The first output block that also enlarges ends the deepest level, of R + 1 blocks.
    ends = [index for index in range(blocks) if f"output_blocks.{index}.1.in_layers.2.weight" in state]
    per_level = (ends[0] if ends else blocks - 1) + 1
    widths = [
        int(state[name].shape[0])
        for index in range(1, blocks, per_level)
        if (name := f"input_blocks.{index}.0.in_layers.2.weight") in state
    ]
    if not widths or per_level == 1 or blocks % per_level or any(width % base for width in widths):
        raise WeightsError("The tensors are not those of BBDM's U-Net.")
    require_room([width for width in widths for _ in range(per_level - 1)], state)
    try:
        return UNetConfig(
            base,
            tuple(width // base for width in widths),
            per_level - 1,
            head_channels or min(DEFAULT_HEAD_CHANNELS, widths[-1]),
            norm_groups,
        )
    except ValueError as error:
        raise WeightsError(f"The tensors are not those of BBDM's U-Net: {error}") from error


def _bridge_of(model: Mapping[str, object], prediction_type: str) -> BrownianBridge:
    """Check the schedule, and read its variance."""
    m, variance = model.get("m_t"), model.get("variance_t")
    if not isinstance(m, torch.Tensor) or not isinstance(variance, torch.Tensor) or len(m) != len(variance):
        raise WeightsError("The checkpoint does not hold the schedule (m_t and variance_t).")
    bridge = BrownianBridge(num_train_timesteps=len(m)) if len(m) > 2 else BrownianBridge()  # noqa: PLR2004
    scale = float(variance.double().max()) / float(bridge.variance.max())
    expected = {"m_t": bridge.m, "variance_t": scale * bridge.variance}
    for name, found in (("m_t", m), ("variance_t", variance)):
        if len(found) != len(bridge.m) or not np.allclose(
            found.double().numpy(), expected[name], atol=_TOLERANCE
        ):
            raise WeightsError(
                f"{name} is not that of the linear schedule from 0.001 to 0.999, which is the only one here."
            )
    return BrownianBridge(prediction_type, max_variance=round(scale, 5), num_train_timesteps=len(m))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write a checkpoint that the official BBDM code reads.")
    parser.add_argument("weights", type=Path, help="weights.safetensors of a generator")
    parser.add_argument("checkpoint", type=Path, help="the .pth to write")
    options = parser.parse_args()
    try:
        options.checkpoint.write_bytes(to_checkpoint(options.weights.read_bytes()))
    except (WeightsError, OSError) as error:
        parser.exit(2, f"{error}\n")
