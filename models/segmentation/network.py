"""The CPnet of Cellpose 1-3 at any width, and its weights as safetensors.

Cellpose's own loader hard-codes the network's width (32, 64, 128, 256 channels). Ours reads the
width from the weights, so a slimmer network that suits a CPU and an official checkpoint load alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import safetensors.torch
import torch
from cellpose.resnet_torch import CPnet

from models.state_files import WeightsError, read_state, require_room

if TYPE_CHECKING:
    from collections.abc import Mapping

NUM_INPUT_CHANNELS = 2  # Cellpose's (cytoplasm, nucleus); a grey image fills the first.
NUM_OUTPUTS = 3  # flow y, flow x, cell-probability logit
KERNEL_PX = 3
NUM_LEVELS = 4
_WIDTH_KEY = "downsample.down.res_down_{level}.conv.conv_0.2.weight"
_TRANSFORMER_KEY = "W2"  # present in Cellpose 4 (Cellpose-SAM) checkpoints only


@dataclass(frozen=True)
class NetworkSpec:
    """What must be known to build a CPnet before its weights are filled in.

    Attributes
    ----------
    channels
        Channels of each of the four levels, finest first; (32, 64, 128, 256) in official weights.
    diam_mean_px
        Mean object diameter that images are rescaled to before they enter the network.
    """

    channels: tuple[int, int, int, int] = (32, 64, 128, 256)
    diam_mean_px: float = 30.0


def build(spec: NetworkSpec) -> CPnet:
    """Build a CPnet with fresh weights; seed torch first if they must repeat."""
    return CPnet(
        [NUM_INPUT_CHANNELS, *spec.channels],
        NUM_OUTPUTS,
        KERNEL_PX,
        mkldnn=False,  # Cellpose's mkldnn layout cannot be trained on a CPU
        diam_mean=spec.diam_mean_px,
    )


def from_state_dict(state: Mapping[str, torch.Tensor]) -> CPnet:
    """Build the CPnet that a state dict belongs to, reading its width from the tensors.

    Raises
    ------
    WeightsError
        If keys or shapes are not those of a 2-D Cellpose 1-3 segmentation network.
    """
    if _TRANSFORMER_KEY in state:
        raise WeightsError("These are Cellpose 4 (Cellpose-SAM) weights; only Cellpose 1-3 load.")
    try:
        widths = [state[_WIDTH_KEY.format(level=i)].shape[0] for i in range(NUM_LEVELS)]
        num_outputs = state["output.2.weight"].shape[0]
    except KeyError as error:
        raise WeightsError(f"No tensor named {error.args[0]!r}: not a Cellpose 1-3 network.") from error
    except IndexError as error:
        raise WeightsError("A tensor has no width: not a Cellpose 1-3 network.") from error
    if num_outputs != NUM_OUTPUTS:
        raise WeightsError(f"The network has {num_outputs} outputs, a segmenter has {NUM_OUTPUTS}.")
    require_room(widths, state)
    net = build(NetworkSpec(channels=(widths[0], widths[1], widths[2], widths[3])))
    # Older checkpoints carry no diameters; everything else must be there.
    diameters = {"diam_mean", "diam_labels"}
    missing = set(net.state_dict()) - set(state) - diameters
    if missing:
        raise WeightsError(f"Tensors are missing, for example {min(missing)!r}.")
    known = {name: tensor for name, tensor in state.items() if name in net.state_dict()}
    try:
        net.load_state_dict(known, strict=False)
    except RuntimeError as error:
        raise WeightsError(f"Tensor shapes do not fit a CPnet: {error}") from error
    return net


def spec_of(net: CPnet) -> NetworkSpec:
    """Return the spec that `build` needs to make the same network."""
    first, second, third, fourth = net.nbase[1:]
    return NetworkSpec((first, second, third, fourth), float(net.diam_mean.item()))


def to_safetensors(net: CPnet) -> bytes:
    """Serialise the weights; the same weights give the same bytes."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    return safetensors.torch.save(state)


def from_bytes(content: bytes) -> CPnet:
    """Load safetensors, or an official PyTorch checkpoint read with ``weights_only``.

    Raises
    ------
    WeightsError
        If the bytes are neither, or hold another network.
    """
    return from_state_dict(read_state(content))
