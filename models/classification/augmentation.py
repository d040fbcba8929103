"""Variations of training canvases: geometry, and what differs between stains, cameras and slides.

Every draw follows from (seed, epoch, row of the training set), so that neither the order of the
crops, nor the batch size, nor a restart changes what a crop looks like in an epoch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

_STREAM = 0xA06  # keeps these draws apart from others that start from the same seed
_NOISE_STREAM = 0xA07
_EVEN_ODDS = 0.5
_RED, _GREEN = 0, 1
_BLUR_REACH = 2.5  # a Gaussian kernel is cut off at so many sigma
_MIN_SIGMA_PX = 0.15
# Uniform numbers per crop and epoch, by what they decide.
_DRAWS = (
    *("flip_x", "flip_y", "turn", "shift_x", "shift_y"),
    *("red_x", "red_y", "green_x", "green_y"),
    *("swap", "gain_red", "gain_green", "gain_dapi", "haze_red", "haze_green", "haze_dapi"),
    *("blurs", "blur", "noise"),
)


@dataclass(frozen=True)
class Augmentation:
    """What is varied, and how far; see `services.jobs.params` for the units. Zero or False: not at all.

    Attributes
    ----------
    flips
        Mirror left to right and top to bottom, each in half of the draws (paper, section 3.2).
    rotation_deg
        Largest turn to either side (section 3.2).
    crop_px
        Random crop (appendix B.2): largest shift of the chromosome on its canvas.
    colour_swap
        Exchange red and green: which fluorochrome is called red is chance.
    gain
        Each channel is scaled by a factor between 1 / (1 + gain) and 1 + gain.
    background
        Largest haze that is added to a channel over the chromosome, 1 = white.
    blur_px
        Largest sigma of a Gaussian blur, in half of the draws.
    misregistration_px
        Largest shift of red and of green against DAPI.
    noise
        Largest sigma of additive Gaussian noise over the chromosome, 1 = white.
    """

    flips: bool = False
    rotation_deg: float = 0.0
    crop_px: float = 0.0
    colour_swap: bool = False
    gain: float = 0.0
    background: float = 0.0
    blur_px: float = 0.0
    misregistration_px: float = 0.0
    noise: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether pixels are resampled."""
        return bool(self.flips or self.rotation_deg or self.crop_px or self.misregistration_px)

    @property
    def is_none(self) -> bool:
        """Whether canvases stay as they are."""
        return not any(getattr(self, field.name) for field in fields(self))


PAPER = Augmentation(flips=True, rotation_deg=180.0, crop_px=4.0)


@dataclass(frozen=True)
class Draws:
    """Uniform numbers in [0, 1) for some crops of one epoch.

    Attributes
    ----------
    numbers
        Name of a decision to (B,) float32.
    rows : (B,) int64
        Which crops of the training set they are.
    """

    numbers: dict[str, torch.Tensor]
    rows: NDArray[np.int64]
    seed: int
    epoch: int

    def __getitem__(self, name: str) -> torch.Tensor:
        """Numbers in [0, 1)."""
        return self.numbers[name]

    def signed(self, name: str) -> torch.Tensor:
        """Numbers in [-1, 1)."""
        return self.numbers[name] * 2.0 - 1.0


class EpochDraws:
    """All draws of one epoch, handed out by rows."""

    def __init__(self, num_rows: int, seed: int, epoch: int) -> None:
        rng = np.random.default_rng([_STREAM, seed, epoch])
        self._numbers = rng.random((num_rows, len(_DRAWS)), np.float32)
        self._seed = seed
        self._epoch = epoch

    def of(self, rows: NDArray[np.int64]) -> Draws:
        """Draws of some rows of the training set."""
        chosen = torch.from_numpy(self._numbers[rows])
        numbers = {name: chosen[:, index] for index, name in enumerate(_DRAWS)}
        return Draws(numbers, rows, self._seed, self._epoch)


def augment(canvases: torch.Tensor, augmentation: Augmentation, draws: Draws) -> torch.Tensor:
    """Vary canvases.

    Parameters
    ----------
    canvases : (B, 3, S, S) float32 in [0, 1]
        Red, green, DAPI on black.
    draws
        Of the same B crops.

    Returns
    -------
    (B, 3, S, S) float32 in [0, 1]
    """
    if augmentation.is_none:
        return canvases
    if augmentation.moves:
        canvases = _moved(canvases, augmentation, draws)
    if augmentation.colour_swap:
        swapped = canvases[:, [_GREEN, _RED, 2]]
        canvases = torch.where((draws["swap"] < _EVEN_ODDS)[:, None, None, None], swapped, canvases)
    if augmentation.blur_px:
        canvases = _blurred(canvases, augmentation.blur_px, draws)
    return _relit(canvases, augmentation, draws).clamp_(0.0, 1.0)


def _moved(canvases: torch.Tensor, augmentation: Augmentation, draws: Draws) -> torch.Tensor:
    """Flip, turn and shift each canvas, and its colours a little more, in one resampling."""
    count, channels, side, _ = canvases.shape
    one = torch.ones(count)
    flip_x = torch.where(draws["flip_x"] < _EVEN_ODDS, -one, one) if augmentation.flips else one
    flip_y = torch.where(draws["flip_y"] < _EVEN_ODDS, -one, one) if augmentation.flips else one
    turn = draws.signed("turn") * math.radians(augmentation.rotation_deg)
    linear = torch.stack(
        [turn.cos() * flip_x, -turn.sin() * flip_y, turn.sin() * flip_x, turn.cos() * flip_y], dim=1
    ).view(count, 1, 2, 2)
    to_grid = 2.0 / side  # pixels to the units of grid_sample
    shift = torch.stack([draws.signed("shift_x"), draws.signed("shift_y")], dim=1) * augmentation.crop_px
    own = torch.zeros(count, channels, 2)
    for index, name in ((_RED, "red"), (_GREEN, "green")):
        offset = torch.stack([draws.signed(f"{name}_x"), draws.signed(f"{name}_y")], dim=1)
        own[:, index] = offset * augmentation.misregistration_px
    offsets = (shift[:, None] + own)[..., None] * to_grid
    theta = torch.cat([linear.expand(-1, channels, -1, -1), offsets], dim=-1)
    grid = functional.affine_grid(
        theta.reshape(-1, 2, 3), [count * channels, 1, side, side], align_corners=False
    )
    planes = canvases.reshape(count * channels, 1, side, side)
    moved = functional.grid_sample(planes, grid, padding_mode="zeros", align_corners=False)
    return moved.view(count, channels, side, side)


def _blurred(canvases: torch.Tensor, max_sigma_px: float, draws: Draws) -> torch.Tensor:
    """Blur half of the canvases, each with a sigma of its own; the mask's edge blurs along."""
    sigma = torch.where(draws["blurs"] < _EVEN_ODDS, draws["blur"] * max_sigma_px, 0.0).clamp_min(
        _MIN_SIGMA_PX
    )
    reach = max(1, math.ceil(_BLUR_REACH * max_sigma_px))
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / sigma[:, None]) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(canvases.shape[1], dim=0)
    planes = canvases.reshape(1, -1, *canvases.shape[2:])
    groups = planes.shape[1]
    planes = functional.conv2d(planes, kernel[:, None, :, None], padding=(reach, 0), groups=groups)
    planes = functional.conv2d(planes, kernel[:, None, None, :], padding=(0, reach), groups=groups)
    return planes.view(canvases.shape)


def _relit(canvases: torch.Tensor, augmentation: Augmentation, draws: Draws) -> torch.Tensor:
    """Scale the channels, and add haze and noise where the chromosome is."""
    names = ("red", "green", "dapi")
    if augmentation.gain:
        exponents = torch.stack([draws.signed(f"gain_{name}") for name in names], dim=1)
        canvases = canvases * torch.exp(exponents * math.log1p(augmentation.gain))[..., None, None]
    if not (augmentation.background or augmentation.noise):
        return canvases
    body = (canvases > 0).any(dim=1, keepdim=True)
    added = torch.zeros_like(canvases)
    if augmentation.background:
        haze = torch.stack([draws[f"haze_{name}"] for name in names], dim=1) * augmentation.background
        added += haze[..., None, None]
    if augmentation.noise:
        added += _noise(canvases.shape, draws) * (draws["noise"] * augmentation.noise)[:, None, None, None]
    return canvases + added * body


def _noise(shape: torch.Size, draws: Draws) -> torch.Tensor:
    """Standard normal numbers, from a generator per crop."""
    fields_ = [
        np.random.default_rng([_NOISE_STREAM, draws.seed, draws.epoch, int(row)]).standard_normal(
            tuple(shape[1:]), np.float32
        )
        for row in draws.rows
    ]
    return torch.from_numpy(np.stack(fields_))
