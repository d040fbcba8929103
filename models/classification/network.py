"""ResNet-18 with torchvision's names, and its weights as safetensors.

The layout is the one that the paper prints in appendix B.3 (He et al., CVPR 2016): torchvision's state
dicts load, and ours load there. torchvision itself is not needed, and cannot be imported beside a
CPU build of torch from the package index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import safetensors.torch
import torch
from torch import nn

from models.state_files import WeightsError, read_state

if TYPE_CHECKING:
    from collections.abc import Mapping

NUM_CLASSES = 2  # normal, aberration
NUM_FEATURES = 512
_WIDTHS = (64, 128, 256, 512)
_HEAD = ("fc.weight", "fc.bias")
_COUNTER = "num_batches_tracked"  # missing from state dicts of old versions of torch


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        if stride != 1 or in_channels != out_channels:
            self.downsample: nn.Module | None = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )
        else:
            self.downsample = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return torch.relu_(self.bn2(self.conv2(x)) + shortcut)


class ResNet18(nn.Module):
    """ResNet-18: (N, 3, H, W) float to (N, num_classes) logits."""

    def __init__(self, num_classes: int = NUM_CLASSES) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, _WIDTHS[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(_WIDTHS[0], _WIDTHS[0], 1)
        self.layer2 = _stage(_WIDTHS[0], _WIDTHS[1], 2)
        self.layer3 = _stage(_WIDTHS[1], _WIDTHS[2], 2)
        self.layer4 = _stage(_WIDTHS[2], _WIDTHS[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(NUM_FEATURES, num_classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Embed (N, 3, H, W) as (N, 512): the layer before the last (paper, section 2.2)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return torch.flatten(self.avgpool(x), 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify (N, 3, H, W); returns (N, num_classes) logits."""
        logits: torch.Tensor = self.fc(self.features(x))
        return logits


def build(num_classes: int = NUM_CLASSES, seed: int = 0) -> ResNet18:
    """Build a network with fresh weights as torchvision draws them; the seed makes them repeat.

    The global generator of torch is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = ResNet18(num_classes)
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return net


def from_state_dict(state: Mapping[str, torch.Tensor]) -> ResNet18:
    """Build the ResNet-18 that a state dict belongs to, with as many classes as it has.

    Raises
    ------
    WeightsError
        Names or shapes are not those of a ResNet-18.
    """
    if "fc.weight" not in state or state["fc.weight"].ndim != 2:  # noqa: PLR2004 - a matrix
        raise WeightsError("No matrix named 'fc.weight': not a ResNet-18 with torchvision's names.")
    net = ResNet18(state["fc.weight"].shape[0])
    expected = net.state_dict()
    missing = {name for name in expected if name not in state and not name.endswith(_COUNTER)}
    if missing:
        raise WeightsError(f"Tensors are missing, for example {min(missing)!r}: not a ResNet-18.")
    surplus = set(state) - set(expected)
    if surplus:
        raise WeightsError(
            f"Tensors that a ResNet-18 has not, for example {min(surplus)!r}: a deeper network?"
        )
    wrong = [name for name in expected if name in state and state[name].shape != expected[name].shape]
    if wrong:
        raise WeightsError(
            f"{wrong[0]!r} has shape {tuple(state[wrong[0]].shape)}, that of a ResNet-18 has "
            f"{tuple(expected[wrong[0]].shape)}."
        )
    # Converted first: what float32 cannot hold is not finite either.
    given = {name: tensor.to(expected[name].dtype) for name, tensor in state.items()}
    if any(not bool(torch.isfinite(t).all()) for t in given.values() if t.is_floating_point()):
        raise WeightsError("Some weights are not finite: the training that made them diverged.")
    if any(bool((t < 0).any()) for name, t in given.items() if name.endswith("running_var")):
        raise WeightsError("Some variances are negative: no training gives such weights.")
    net.load_state_dict(expected | given)
    return net


def with_new_head(net: ResNet18, seed: int) -> ResNet18:
    """Return a two-class network on another one's features, for example those of ImageNet.

    A network that has two classes already keeps its head.
    """
    if net.fc.out_features == NUM_CLASSES:
        return net
    fresh = build(seed=seed)
    state = net.state_dict() | {name: fresh.state_dict()[name] for name in _HEAD}
    fresh.load_state_dict(state)
    return fresh


def to_safetensors(net: nn.Module, *, half: bool = False) -> bytes:
    """Serialise the weights; the same weights give the same bytes.

    Parameters
    ----------
    half
        Store floating-point tensors as float16, half the size.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    if half:
        state = {name: t.half() if t.is_floating_point() else t for name, t in state.items()}
    return safetensors.torch.save(state)


def from_bytes(content: bytes) -> ResNet18:
    """Load safetensors, or a PyTorch checkpoint such as torchvision's, read with ``weights_only``.

    Raises
    ------
    WeightsError
        The bytes are neither, or hold another network.
    """
    return from_state_dict(read_state(content))


def _stage(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        BasicBlock(in_channels, out_channels, stride), BasicBlock(out_channels, out_channels, 1)
    )
