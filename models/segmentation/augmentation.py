"""Random training crops: any angle, mirror, scale, and what microscopes do to intensities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


ELSEWHERE_SHARE = 0.12  # of the crops show whatever is there
EVEN_ODDS = 0.5
VISIBLE_BLUR_PX = 0.3  # a narrower Gaussian changes nothing


@dataclass(frozen=True)
class AugmentationRanges:
    """Half-open ranges that every crop draws from; (1, 1) or 0 switches a step off."""

    scale: tuple[float, float] = (0.7, 1.4)
    gamma: tuple[float, float] = (0.6, 1.6)
    gain: tuple[float, float] = (0.7, 1.3)
    max_blur_px: float = 1.5
    max_noise: float = 0.06
    max_haze: float = 0.25


def random_crop(
    image: NDArray[np.float32],
    target: NDArray[np.float32],
    weight: NDArray[np.float32],
    size_px: int,
    *,
    rng: np.random.Generator,
    ranges: AugmentationRanges,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Cut a warped square out of an image and its targets.

    Parameters
    ----------
    image : (H, W) float32
        Normalised intensities, about 0 to 1.
    target : (3, H, W) float32
        Foreground, flow y, flow x (`flows.flow_targets`).
    weight : (H, W) float32
        Loss weight per pixel; outside the image it becomes 0.

    Returns
    -------
    image (size, size), target (3, size, size), weight (size, size), all float32.
    """
    angle = rng.uniform(0.0, 2.0 * np.pi)
    mirror = -1.0 if rng.random() < EVEN_ODDS else 1.0
    scale = rng.uniform(*ranges.scale)
    centre = _centre(target[0], size_px / scale, rng)
    cos, sin = np.cos(angle), np.sin(angle)
    # (x, y) of the source -> (x, y) of the crop
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([mirror, 1.0])
    affine = np.hstack([scale * linear, (size_px / 2.0 - scale * linear @ centre)[:, None]])

    def warp(plane: NDArray[np.float32], flags: int) -> NDArray[np.float32]:
        return np.asarray(cv2.warpAffine(plane, affine, (size_px, size_px), flags=flags), np.float32)

    crop = warp(image, cv2.INTER_LINEAR)
    foreground = warp(target[0], cv2.INTER_NEAREST)
    flow_y, flow_x = warp(target[1], cv2.INTER_NEAREST), warp(target[2], cv2.INTER_NEAREST)
    turned_x = linear[0, 0] * flow_x + linear[0, 1] * flow_y
    turned_y = linear[1, 0] * flow_x + linear[1, 1] * flow_y
    warped_target = np.stack([foreground, turned_y, turned_x]).astype(np.float32)
    return disturb(crop, rng, ranges), warped_target, warp(weight, cv2.INTER_NEAREST)


def _centre(
    foreground: NDArray[np.float32], reach_px: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(x, y) near a labelled pixel, or now and then anywhere: nuclei and debris must be seen too."""
    height, width = foreground.shape
    labelled = np.flatnonzero(foreground)
    if len(labelled) == 0 or rng.random() < ELSEWHERE_SHARE:
        return np.array([rng.uniform(0.0, width), rng.uniform(0.0, height)])
    y, x = divmod(int(labelled[rng.integers(len(labelled))]), width)
    jitter = rng.uniform(-0.4, 0.4, size=2) * reach_px
    return np.asarray(np.clip(np.array([x, y]) + jitter, 0.0, [width, height]), np.float64)


def disturb(
    crop: NDArray[np.float32], rng: np.random.Generator, ranges: AugmentationRanges
) -> NDArray[np.float32]:
    """Change contrast, gain, focus, haze and noise of a crop (size, size) float32 in about [0, 1]."""
    crop = np.clip(crop, 0.0, None) ** np.float32(rng.uniform(*ranges.gamma))
    crop = crop * np.float32(rng.uniform(*ranges.gain))
    blur_px = rng.uniform(0.0, ranges.max_blur_px) if rng.random() < EVEN_ODDS else 0.0
    if blur_px > VISIBLE_BLUR_PX:
        crop = np.asarray(cv2.GaussianBlur(crop, (0, 0), blur_px), np.float32)
    if rng.random() < EVEN_ODDS:
        haze = np.asarray(cv2.resize(rng.random((3, 3), np.float32), crop.shape[::-1]), np.float32)
        crop = crop + np.float32(rng.uniform(0.0, ranges.max_haze)) * haze
    noise = rng.uniform(0.0, ranges.max_noise) if rng.random() < EVEN_ODDS else 0.0
    return (crop + np.float32(noise) * rng.standard_normal(crop.shape, np.float32)).astype(np.float32)
