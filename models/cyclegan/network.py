"""CycleGAN's networks, with the official code's structure and names (Zhu et al., ICCV 2017).

A generator is an encoder, residual blocks at a quarter of the resolution, and a decoder; a
discriminator judges patches of 70 x 70 pixels. Both are one `nn.Sequential` called ``model``. Its
indices count padding, normalisation and activations, which have no parameters: hence names such as
``model.1.weight``, which state dicts of the official code have too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

import safetensors.torch
import torch
from torch import nn

from models.state_files import WeightsError

IMAGE_CHANNELS: Final = 3
PAPER_WIDTH: Final = 64
_INITIAL_STD = 0.02
_LEAK = 0.2
_STRIDE = 4  # the encoder halves the sides twice
_MIN_SIDE_PX = 24  # below it, less than a patch is left for the discriminator's normalisation
_LARGE_CANVAS_PX = 128
_BLOCKS_ON_LARGE, _BLOCKS_ON_SMALL = 9, 6


@dataclass(frozen=True)
class GeneratorConfig:
    """Size of a generator.

    Attributes
    ----------
    width
        Channels at full resolution (``ngf``); 64 in the paper.
    blocks
        Residual blocks; see `blocks_for`.
    """

    width: int = PAPER_WIDTH
    blocks: int = _BLOCKS_ON_LARGE

    def __post_init__(self) -> None:
        """Refuse sizes that no network can have."""
        if self.width < 1 or self.blocks < 1:
            raise ValueError(f"width is {self.width} and blocks {self.blocks}; both must be positive.")

    def to_json(self) -> dict[str, int]:
        """Return what a manifest keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> GeneratorConfig:
        """Read what `to_json` wrote."""
        return cls(int(stored["width"]), int(stored["blocks"]))


class Generator(nn.Module):
    """Translates pictures: (N, 3, S, S) in [-1, 1] to the same; see `check_side` for S.

    Parameters
    ----------
    config
        Its size.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(IMAGE_CHANNELS, width, 7),
            *_normed(width),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            *_normed(2 * width),
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),
            *_normed(4 * width),
        ]
        layers += [ResidualBlock(4 * width) for _ in range(config.blocks)]
        layers += [
            nn.ConvTranspose2d(4 * width, 2 * width, 3, stride=2, padding=1, output_padding=1),
            *_normed(2 * width),
            nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1),
            *_normed(width),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, IMAGE_CHANNELS, 7),
            nn.Tanh(),
        ]
        self.model = nn.Sequential(*layers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Translate (N, 3, S, S) in [-1, 1] to (N, 3, S, S) in [-1, 1]."""
        return cast("torch.Tensor", self.model(images))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a skip, on mirrored edges: (N, C, H, W) to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            *_normed(channels),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Add to `hidden` what the convolutions make of it."""
        return hidden + cast("torch.Tensor", self.conv_block(hidden))


class Discriminator(nn.Module):
    """Says of every patch of 70 x 70 pixels how real it looks: 1 real, 0 generated.

    Parameters
    ----------
    width
        Channels of the first layer (``ndf``); 64 in the paper.
    """

    def __init__(self, width: int = PAPER_WIDTH) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width is {width}; it must be positive.")
        layers: list[nn.Module] = [nn.Conv2d(IMAGE_CHANNELS, width, 4, stride=2, padding=1), _leaky()]
        for factor, stride in ((2, 2), (4, 2), (8, 1)):
            layers += [
                nn.Conv2d(width * factor // 2, width * factor, 4, stride=stride, padding=1),
                nn.InstanceNorm2d(width * factor),
                _leaky(),
            ]
        layers.append(nn.Conv2d(8 * width, 1, 4, padding=1))
        self.model = nn.Sequential(*layers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Judge (N, 3, S, S) in [-1, 1]: (N, 1, S / 8 - 2, S / 8 - 2), unbounded."""
        return cast("torch.Tensor", self.model(images))


def blocks_for(canvas_px: int) -> int:
    """Residual blocks that the authors use: 9, and 6 on canvases below 128 px."""
    return _BLOCKS_ON_LARGE if canvas_px >= _LARGE_CANVAS_PX else _BLOCKS_ON_SMALL


def check_side(canvas_px: int) -> None:
    """Refuse canvases that the networks cannot take.

    Raises
    ------
    ValueError
        The side is below 24 px, or no multiple of 4.
    """
    if canvas_px < _MIN_SIDE_PX or canvas_px % _STRIDE:
        raise ValueError(
            f"canvas_px is {canvas_px}; CycleGAN takes multiples of {_STRIDE} from {_MIN_SIDE_PX} on."
        )


def build_generator(config: GeneratorConfig, *, seed: int) -> Generator:
    """Make an untrained generator; the global generator of torch is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cast("Generator", _initialised(Generator(config)))


def build_discriminator(width: int, *, seed: int) -> Discriminator:
    """Make an untrained discriminator; the global generator of torch is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cast("Discriminator", _initialised(Discriminator(width)))


def from_state_dict(state: Mapping[str, torch.Tensor]) -> Generator:
    """Build the generator that a state dict belongs to; its size is told from the shapes.

    Raises
    ------
    WeightsError
        Names or shapes are not those of such a generator, or a weight is not finite.
    """
    first = state.get("model.1.weight")
    blocks = sum(name.endswith(".conv_block.1.weight") for name in state)
    if first is None or first.ndim != 4 or not blocks:  # noqa: PLR2004 - out, in, height, width
        raise WeightsError("No 'model.1.weight' with residual blocks behind it: not a ResNet generator.")
    with torch.device("meta"):
        net = Generator(GeneratorConfig(first.shape[0], blocks))
    expected = net.state_dict()
    odd = sorted(set(expected) ^ set(state))
    if odd:
        raise WeightsError(f"{odd[0]!r} is missing or too many: not CycleGAN's ResNet generator.")
    for name, tensor in expected.items():
        if state[name].shape != tensor.shape:
            raise WeightsError(
                f"{name!r} has shape {tuple(state[name].shape)}, in a generator from 3 to 3 channels of "
                f"width {net.config.width} it has {tuple(tensor.shape)}."
            )
    if not all(bool(torch.isfinite(tensor).all()) for tensor in state.values()):
        raise WeightsError("Some weights are not finite: the training that made them diverged.")
    net.load_state_dict({name: tensor.to(torch.float32) for name, tensor in state.items()}, assign=True)
    return net


def to_safetensors(net: nn.Module, *, half: bool = False) -> bytes:
    """Serialise the weights; the same weights give the same bytes.

    Parameters
    ----------
    half
        Store them as float16, half the size.
    """
    dtype = torch.float16 if half else torch.float32
    return safetensors.torch.save(
        {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in net.state_dict().items()}
    )


def _normed(channels: int) -> tuple[nn.Module, nn.Module]:
    """Instance normalisation, without parameters as in the official code, and its activation."""
    return nn.InstanceNorm2d(channels), nn.ReLU(inplace=True)


def _leaky() -> nn.Module:
    return nn.LeakyReLU(_LEAK, inplace=True)


def _initialised(net: nn.Module) -> nn.Module:
    """Draw weights from N(0, 0.02); biases start at zero."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, _INITIAL_STD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net
