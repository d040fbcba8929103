"""Pictures for people: previews, overlays with outlined instances, crop thumbnails. PNG bytes out.

Drawn for looking, not for measuring: contrast is stretched per channel.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from services.errors import InvalidInputError
from services.images.channels import CHANNELS
from services.images.outlines import colour_indices, inner_boundaries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from services.images.channels import ChannelStack

Levels = tuple[float, float]

# DAPI is shown in a lighter blue than the pure primary, which screens render almost black.
_TINTS = {"red": (1.0, 0.12, 0.08), "green": (0.10, 0.95, 0.15), "dapi": (0.10, 0.25, 1.0)}
_LOW_PERCENTILE, _HIGH_PERCENTILE = 50.0, 99.7
_NOISE_SPANS = 12.0
_SAMPLED_PIXELS = 1_000_000
# Hues that stay apart for most kinds of colour vision on dark grey; neighbours never share one.
_PALETTE = np.array(
    [
        (86, 180, 233),
        (230, 159, 0),
        (0, 200, 140),
        (240, 228, 66),
        (204, 121, 220),
        (255, 120, 80),
        (140, 255, 90),
        (160, 160, 255),
    ],
    dtype=np.uint8,
)
_FLAGGED_COLOUR = np.array((255, 45, 85), dtype=np.uint8)
_SURE_FLAGS = frozenset({"touching", "overlapping", "border"})
_DASH_PX = 4
_OVERLAY_SCALE = 2
_MAX_OVERLAY_SIDE_PX = 4096
# Interphase nuclei are far brighter than chromosomes; the gamma lifts the latter out of the dark.
_GAMMA, _DIM = 0.65, 0.75


def channel_levels(pixels: NDArray[np.generic], channels: Sequence[str]) -> dict[str, Levels]:
    """Black and white point per channel of a whole metaphase.

    The black point is the median, since most of a metaphase is background; the white point is a high
    percentile, kept well above the noise so that an empty channel stays dark.

    Parameters
    ----------
    pixels : (C, H, W) uint8 or uint16
    channels
        Names of the planes, in order.
    """
    return {name: _plane_levels(plane) for name, plane in zip(channels, pixels, strict=True)}


def preview_png(stack: ChannelStack, max_side_px: int = 1024) -> bytes:
    """Draw a metaphase in false colour: DAPI blue, red and green as themselves.

    Parameters
    ----------
    stack
        The decoded image.
    max_side_px
        Longest side of the result; smaller images keep their size.
    """
    if max_side_px < 1:
        raise InvalidInputError("max_side_px must be at least 1.", "max_side_px")
    levels = channel_levels(stack.pixels, stack.channels)
    # Twice the final size is enough for a clean last step, and bounds the memory for large cameras.
    factor = max(1, max(stack.pixels.shape[1:]) // (2 * max_side_px))
    image = Image.fromarray(_composite(_reduced(stack.pixels, factor), stack.channels, levels))
    image.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS, reducing_gap=None)
    return _png(image)


def overlay_png(
    stack: ChannelStack,
    masks: NDArray[np.integer[Any]],
    flags_by_label: Mapping[int, Sequence[str]] | None = None,
    *,
    numbers: bool = False,
) -> bytes:
    """Draw the outline of every instance over the DAPI plane in grey.

    Instances flagged touching, overlapping or border are drawn in a dashed red of their own; all others
    in a solid colour that no close neighbour has. Small images are drawn at twice their size, so that an
    outline does not hide the chromosome.

    Parameters
    ----------
    stack
        The decoded image; without a DAPI plane its first plane is the ground.
    masks : (H, W) integer
        Label image, 0 background.
    flags_by_label
        Flags per label.
    numbers
        Whether to write each label beside its instance.

    Raises
    ------
    InvalidInputError
        The masks are not of the image's size.
    """
    if masks.shape != stack.pixels.shape[1:]:
        raise InvalidInputError(
            f"Masks of {masks.shape} do not fit an image of {stack.pixels.shape[1:]}.", "masks"
        )
    ground = stack.plane("dapi") if "dapi" in stack.channels else stack.pixels[0]
    grey = np.power(_stretched(ground, _plane_levels(ground)), _GAMMA) * (255.0 * _DIM)
    scale = _OVERLAY_SCALE if _OVERLAY_SCALE * max(masks.shape) <= _MAX_OVERLAY_SIDE_PX else 1
    large = Image.fromarray(grey.astype(np.uint8)).resize(
        (masks.shape[1] * scale, masks.shape[0] * scale), Image.Resampling.BICUBIC
    )
    canvas = np.repeat(np.asarray(large)[..., np.newaxis], 3, axis=2)
    _draw_outlines(canvas, masks, scale, flags_by_label or {})
    image = Image.fromarray(canvas)
    if numbers:
        _draw_numbers(image, masks, scale)
    image.thumbnail((_MAX_OVERLAY_SIDE_PX, _MAX_OVERLAY_SIDE_PX), Image.Resampling.LANCZOS, reducing_gap=None)
    return _png(image)


def crop_png(
    pixels: NDArray[np.generic],
    channels: Sequence[str],
    channel: str | None = None,
    levels: Mapping[str, Levels] | None = None,
) -> bytes:
    """Draw one crop, in false colour or a single channel in grey.

    Parameters
    ----------
    pixels : (C, h, w) uint8 or uint16
    channels
        Names of the planes, in order.
    channel
        One channel to draw in grey; all of them in colour when left out.
    levels
        Black and white point per channel, best taken from the whole image by `channel_levels` so that
        crops of one image compare; from the crop's own range when left out.

    Raises
    ------
    InvalidInputError
        The crop has no such channel.
    """
    if levels is None:
        levels = {n: _own_range(p) for n, p in zip(channels, pixels, strict=True)}
    if channel is None:
        return _png(Image.fromarray(_composite(pixels, channels, levels)))
    if channel not in channels:
        raise InvalidInputError(
            f"This crop has no channel {channel!r}; it has {', '.join(channels)}.", "channel"
        )
    plane = _stretched(pixels[list(channels).index(channel)], levels[channel])
    return _png(Image.fromarray((plane * 255.0).astype(np.uint8)))


def _reduced(pixels: NDArray[np.generic], factor: int) -> NDArray[np.generic]:
    """(C, H, W) averaged over squares of `factor` pixels; a rest at the lower and right edge is dropped."""
    if factor == 1:
        return pixels
    channels, height, width = pixels.shape[0], pixels.shape[1] // factor, pixels.shape[2] // factor
    if height < 1 or width < 1:
        # A strip thinner than the factor cannot be averaged; every so-many-th pixel will do.
        return pixels[:, :: min(factor, pixels.shape[1]), :: min(factor, pixels.shape[2])]
    cut = pixels[:, : height * factor, : width * factor]
    squares = cut.reshape(channels, height, factor, width, factor)
    reduced: NDArray[np.generic] = squares.mean(axis=(2, 4), dtype=np.float32)
    return reduced


def _plane_levels(plane: NDArray[np.generic]) -> Levels:
    # A grid of about a million pixels tells the same percentiles as a hundred million.
    step = max(1, int(np.sqrt(plane.size / _SAMPLED_PIXELS)))
    sample = plane[::step, ::step].astype(np.float32)
    low, high = np.percentile(sample, [_LOW_PERCENTILE, _HIGH_PERCENTILE])
    noise = float(np.median(np.abs(sample[sample <= low] - low))) if sample.size else 0.0
    return float(low), float(max(high, low + _NOISE_SPANS * max(noise, 1.0)))


def _own_range(plane: NDArray[np.generic]) -> Levels:
    low, high = float(plane.min()), float(plane.max())
    return low, max(high, low + 1.0)


def _stretched(plane: NDArray[np.generic], levels: Levels) -> NDArray[np.float32]:
    """Map black..white onto 0..1, clipped."""
    low, high = levels
    scaled = (plane.astype(np.float32) - np.float32(low)) / np.float32(max(high - low, 1e-6))
    return np.clip(scaled, 0.0, 1.0, out=scaled)


def _composite(
    pixels: NDArray[np.generic], channels: Sequence[str], levels: Mapping[str, Levels]
) -> NDArray[np.uint8]:
    """(H, W, 3) sum of the tinted channels, clipped."""
    unknown = [name for name in channels if name not in CHANNELS]
    if unknown:
        raise InvalidInputError(
            f"Channel {unknown[0]!r} has no colour; use {', '.join(CHANNELS)}.", "channels"
        )
    canvas = np.zeros((*pixels.shape[1:], 3), np.float32)
    for name, plane in zip(channels, pixels, strict=True):
        canvas += _stretched(plane, levels[name])[..., np.newaxis] * np.array(_TINTS[name], np.float32)
    return (np.clip(canvas, 0.0, 1.0) * 255.0).astype(np.uint8)


def _draw_outlines(
    canvas: NDArray[np.uint8],
    masks: NDArray[np.integer[Any]],
    scale: int,
    flags_by_label: Mapping[int, Sequence[str]],
) -> None:
    labels, colours = colour_indices(masks, len(_PALETTE))
    flagged = np.array([bool(_SURE_FLAGS.intersection(flags_by_label.get(int(n), ()))) for n in labels], bool)
    large = masks.repeat(scale, axis=0).repeat(scale, axis=1)
    edge = inner_boundaries(large)
    flagged_pixels = np.isin(large, labels[flagged])
    # Dashes are drawn twice as wide as solid lines: the line and the next ring of pixels within it.
    inner = np.where(edge | ~flagged_pixels, 0, large)
    rows, columns = np.nonzero(edge | inner_boundaries(inner))
    order = np.searchsorted(labels, large[rows, columns])
    colour = _PALETTE[colours[order]]
    colour[flagged[order]] = _FLAGGED_COLOUR
    solid = ~flagged[order] | ((rows + columns) // _DASH_PX % 2 == 0)
    canvas[rows[solid], columns[solid]] = colour[solid]


def _draw_numbers(image: Image.Image, masks: NDArray[np.integer[Any]], scale: int) -> None:
    """Write each label at the centre of its instance."""
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(11)
    rows, columns = np.nonzero(masks)
    labels, inverse, areas = np.unique(masks[rows, columns], return_inverse=True, return_counts=True)
    centre_y = np.bincount(inverse, rows) / areas
    centre_x = np.bincount(inverse, columns) / areas
    for label, y, x in zip(labels, centre_y, centre_x, strict=True):
        draw.text(
            ((x + 0.5) * scale, (y + 0.5) * scale),
            str(int(label)),
            fill=(255, 255, 255),
            font=font,
            anchor="mm",
            stroke_width=2,
            stroke_fill=(0, 0, 0),
        )


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
