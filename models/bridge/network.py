"""The U-Net of BBDM: that of guided diffusion, with the official code's structure and names.

Source: Dhariwal & Nichol, "Diffusion Models Beat GANs on Image Synthesis" (2021), in the form that
BBDM uses. Its `attention_resolutions` are compared with factors of down-sampling that never match, so
attention sits in the middle block alone; that is reproduced, not repaired, because it is the network
that the paper trained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final, cast

import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

IMAGE_CHANNELS: Final = 3
OFFICIAL_GROUPS: Final = 32
_INITIAL_STD = 0.02
_MAX_PERIOD = 10_000.0
_TIME_FACTOR = 4


@dataclass(frozen=True)
class UNetConfig:
    """Size of a U-Net.

    Attributes
    ----------
    base_channels
        Channels at full resolution, a multiple of `norm_groups`.
    multipliers
        Channels of each level in units of `base_channels`; every further level halves the sides.
    residual_blocks
        Per level.
    head_channels
        Channels per attention head in the middle block.
    norm_groups
        Groups of every normalisation. The official code has 32 throughout; with 32 base channels that
        is one channel per group, and such networks hide a bright speck in every picture to escape
        their own normalisation (Karras et al., "Analyzing and Improving the Image Quality of
        StyleGAN", 2020, saw it in theirs).
    """

    base_channels: int = 128
    multipliers: tuple[int, ...] = (1, 4, 8)
    residual_blocks: int = 2
    head_channels: int = 64
    norm_groups: int = OFFICIAL_GROUPS

    def __post_init__(self) -> None:
        """Refuse sizes that no network can have."""
        if self.norm_groups < 1 or self.base_channels < 1 or self.base_channels % self.norm_groups:
            raise ValueError(
                f"base_channels is {self.base_channels}; use a multiple of norm_groups, {self.norm_groups}."
            )
        if not self.multipliers or min(self.multipliers) < 1 or self.residual_blocks < 1:
            raise ValueError("multipliers and residual_blocks must be positive, and there must be a level.")
        middle = self.base_channels * self.multipliers[-1]
        if self.head_channels < 1 or middle % self.head_channels:
            raise ValueError(f"head_channels is {self.head_channels}; it must divide {middle}.")

    @property
    def stride(self) -> int:
        """Sides of images must be multiples of this."""
        return 1 << (len(self.multipliers) - 1)

    def to_json(self) -> dict[str, Any]:
        """Return what a manifest keeps."""
        return asdict(self) | {"multipliers": list(self.multipliers)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> UNetConfig:
        """Read what `to_json` wrote."""
        return cls(**{**stored, "multipliers": tuple(stored["multipliers"])})


SIZES: Final = MappingProxyType(
    {
        "paper": UNetConfig(),
        "medium": UNetConfig(base_channels=64, multipliers=(1, 3, 4)),
        "small": UNetConfig(base_channels=32, multipliers=(1, 2, 4), residual_blocks=1, norm_groups=8),
    }
)


class UNet(nn.Module):
    """Predicts from x_t, the source y and the time t.

    Parameters
    ----------
    config
        Its size.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        base = config.base_channels
        width, groups = base * _TIME_FACTOR, config.norm_groups
        self.time_embed = nn.Sequential(nn.Linear(base, width), nn.SiLU(), nn.Linear(width, width))
        self.input_blocks, skips = _encoder(config, width)
        channels = skips[-1]
        self.middle_block = _Conditioned(
            ResidualBlock(channels, channels, width, groups),
            AttentionBlock(channels, config.head_channels, groups),
            ResidualBlock(channels, channels, width, groups),
        )
        self.output_blocks = _decoder(config, width, skips)
        self.out = nn.Sequential(
            GroupNorm(config.norm_groups, base), nn.SiLU(), nn.Conv2d(base, IMAGE_CHANNELS, 3, padding=1)
        )

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Predict the target of training.

        Parameters
        ----------
        x_t, y : (B, 3, S, S)
        t : (B,) int64
            Times, 0 … T - 1.

        Returns
        -------
        (B, 3, S, S)
        """
        embedding = self.time_embed(time_embedding(t, self.config.base_channels).to(x_t.dtype))
        hidden = torch.cat([x_t, y], dim=1)
        skips = []
        for block in self.input_blocks:
            hidden = block(hidden, embedding)
            skips.append(hidden)
        hidden = self.middle_block(hidden, embedding)
        for block in self.output_blocks:
            hidden = block(torch.cat([hidden, skips.pop()], dim=1), embedding)
        return cast("torch.Tensor", self.out(hidden))


class _Conditioned(nn.Sequential):
    """A sequence of which the residual blocks also take the time's embedding."""

    def forward(self, hidden: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:  # type: ignore[override] # it takes two
        for layer in self:
            hidden = layer(hidden, embedding) if isinstance(layer, ResidualBlock) else layer(hidden)
        return hidden


class GroupNorm(nn.GroupNorm):
    """Group normalisation whose statistics are float32 and whose output has the input's type."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Normalise."""
        if hidden.dtype == self.weight.dtype:
            return super().forward(hidden)
        with torch.autocast(hidden.device.type, enabled=False):
            return functional.group_norm(
                hidden, self.num_groups, self.weight.to(hidden.dtype), self.bias.to(hidden.dtype), self.eps
            )


class ResidualBlock(nn.Module):
    """Two convolutions beside a skip; time scales and shifts between them.

    Parameters
    ----------
    resize
        None, ``up`` (nearest, sides doubled) or ``down`` (mean of 2 x 2), before the first convolution.
    """

    def __init__(
        self, channels: int, out_channels: int, width: int, groups: int, resize: str | None = None
    ) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            GroupNorm(groups, channels), nn.SiLU(), nn.Conv2d(channels, out_channels, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * out_channels))
        # The official code has a drop-out of rate zero at index 2; the names count it.
        self.out_layers = nn.Sequential(
            GroupNorm(groups, out_channels),
            nn.SiLU(),
            nn.Identity(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )
        self.skip_connection = (
            nn.Identity() if channels == out_channels else nn.Conv2d(channels, out_channels, 1)
        )
        self._resize = resize

    def forward(self, hidden: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, out, H', W')."""
        norm, activation, conv = self.in_layers
        inner = conv(self._resized(activation(norm(hidden))))
        scale, shift = self.emb_layers(embedding)[..., None, None].to(inner.dtype).chunk(2, dim=1)
        norm, activation, _, conv = self.out_layers
        inner = conv(activation(torch.addcmul(shift, norm(inner), 1 + scale)))
        return cast("torch.Tensor", self.skip_connection(self._resized(hidden)) + inner)

    def _resized(self, hidden: torch.Tensor) -> torch.Tensor:
        if self._resize == "up":
            return functional.interpolate(hidden, scale_factor=2, mode="nearest")
        return functional.avg_pool2d(hidden, 2) if self._resize == "down" else hidden


class AttentionBlock(nn.Module):
    """Every place looks at every other; heads are laid out as in the official code (legacy order)."""

    def __init__(self, channels: int, head_channels: int, groups: int) -> None:
        super().__init__()
        self.norm = GroupNorm(groups, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)
        self._heads = channels // head_channels

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to the same."""
        batch, channels, height, width = hidden.shape
        flat = self.norm(hidden).reshape(batch, channels, height * width)
        qkv = self.qkv(flat).reshape(batch, self._heads, -1, height * width).transpose(2, 3)
        q, k, v = (part.contiguous() for part in qkv.chunk(3, dim=-1))
        attended = functional.scaled_dot_product_attention(q, k, v)
        attended = attended.transpose(2, 3).reshape(batch, channels, height * width)
        projected: torch.Tensor = self.proj_out(attended)
        return hidden + projected.reshape(hidden.shape)


def time_embedding(t: torch.Tensor, channels: int) -> torch.Tensor:
    """Sinusoids of the time: (B,) to (B, channels) float32, cosines first."""
    half = channels // 2
    steps = torch.arange(half, dtype=torch.float32, device=t.device)
    angles = t[:, None].to(torch.float32) * torch.exp(-math.log(_MAX_PERIOD) * steps / half)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def build(config: UNetConfig, *, seed: int) -> UNet:
    """Make an untrained network, initialised as the official code does.

    Weights of two-dimensional convolutions and linear layers are N(0, 0.02); the attention's output
    starts at zero; the rest is PyTorch's default.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = UNet(config)
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.normal_(module.weight, 0.0, _INITIAL_STD)
        for parameter in cast("AttentionBlock", net.middle_block[1]).proj_out.parameters():
            nn.init.zeros_(parameter)
    return net


def _encoder(config: UNetConfig, width: int) -> tuple[nn.ModuleList, list[int]]:
    """Input blocks, and the channels of what each hands to the decoder."""
    channels = config.base_channels
    first = nn.Conv2d(2 * IMAGE_CHANNELS, channels, 3, padding=1)
    blocks, skips = [_Conditioned(first)], [channels]
    for level, multiplier in enumerate(config.multipliers):
        for _ in range(config.residual_blocks):
            blocks.append(
                _Conditioned(
                    ResidualBlock(channels, multiplier * config.base_channels, width, config.norm_groups)
                )
            )
            channels = multiplier * config.base_channels
            skips.append(channels)
        if level + 1 < len(config.multipliers):
            blocks.append(_Conditioned(ResidualBlock(channels, channels, width, config.norm_groups, "down")))
            skips.append(channels)
    return nn.ModuleList(blocks), skips


def _decoder(config: UNetConfig, width: int, skips: Sequence[int]) -> nn.ModuleList:
    waiting = list(skips)
    channels = waiting[-1]
    blocks = []
    for level, multiplier in reversed(list(enumerate(config.multipliers))):
        for index in range(config.residual_blocks + 1):
            out_channels = multiplier * config.base_channels
            layers = [ResidualBlock(channels + waiting.pop(), out_channels, width, config.norm_groups)]
            channels = out_channels
            if level and index == config.residual_blocks:
                layers.append(ResidualBlock(channels, channels, width, config.norm_groups, "up"))
            blocks.append(_Conditioned(*layers))
    return nn.ModuleList(blocks)


def laid_out(net: UNet, device: torch.device) -> UNet:
    """Move a network to a device, and its convolutions' weights into the order of images channels last.

    Images that are stored channel by channel are slower to convolve, by a quarter on a CPU.
    """
    net.to(device)
    for parameter in net.parameters():
        if parameter.ndim == 4:  # noqa: PLR2004 - out, in, height, width
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return net


def multiply_adds(config: UNetConfig, canvas_px: int) -> int:
    """Multiplications of one call on one square image, of convolutions, linear layers and attention."""
    with torch.device("meta"):
        net = UNet(config)
        image = torch.zeros(1, IMAGE_CHANNELS, canvas_px, canvas_px)
        with FlopCounterMode(display=False) as counter:
            net(image, torch.zeros(1, dtype=torch.int64), image)
    return int(counter.get_total_flops()) // 2


def num_parameters(config: UNetConfig) -> int:
    """How many numbers a network of this size learns."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in UNet(config).parameters())
