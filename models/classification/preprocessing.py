"""From a crop to the classifier's canvas: grey levels, mask, scale. Free of torch.

A canvas depends on its own crop and its own image alone, never on what else is classified with it.
The parameters travel inside the classifier's artifact, so that they cannot be mismatched.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import cv2
import numpy as np
from skimage.filters import threshold_otsu

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Background = Literal["zero", "keep"]
CANVAS_CHANNELS: tuple[str, str, str] = ("red", "green", "dapi")
WHITE = 255

# Where many chromosomes are painted (M-FISH), the 85th percentile of their medians is the level of
# paint: 0.90 of the levels that a spectral model gave, with a spread of 8 %. Where few are (a pair or
# two), it would be that of the unpainted ones, and Otsu's split finds the painted ones instead.
_DENSE_PERCENTILE = 85.0
_BACKGROUND_PERCENTILE = 25.0
_HEADROOM = 1.33  # paint is uneven: white lies a third above its median
_NO_BLUR_PX = 0.1
_REACH_PX = 24
_MIN_SPAN_IN_NOISE = 6.0  # an unpainted channel stays dark instead of being stretched to noise


class PreprocessingError(ValueError):
    """A crop cannot be brought onto a canvas."""

    code: ClassVar[str] = "crop_unusable"
    title: ClassVar[str] = "The crop cannot be classified"


@dataclass(frozen=True)
class Preprocessing:
    """How a crop becomes a canvas.

    Attributes
    ----------
    canvas_px
        Side of the square canvas.
    scale
        Canvas pixels per image pixel. A chromosome that would leave the circle inside the canvas
        (and so be cut when turned) is made smaller until it fits.
    background
        ``zero``: what lies off the chromosome's mask becomes black. ``keep``: neighbours stay.
    """

    canvas_px: int = 64
    scale: float = 1.6
    background: Background = "zero"

    def __post_init__(self) -> None:
        """Refuse values that no canvas can be made with."""
        if self.canvas_px < 1 or not self.scale > 0 or self.background not in get_args(Background):
            raise PreprocessingError(
                f"canvas_px {self.canvas_px}, scale {self.scale} and background {self.background!r}: give "
                f"positive numbers and one of {', '.join(get_args(Background))}."
            )

    def to_json(self) -> dict[str, Any]:
        """Return what a manifest keeps."""
        return asdict(self) | {"channels": list(CANVAS_CHANNELS)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Preprocessing:
        """Read what `to_json` wrote."""
        return cls(int(stored["canvas_px"]), float(stored["scale"]), stored["background"])


def signal_levels(pixels: NDArray[np.integer[Any]], masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Black and white point of every channel of one metaphase, told from its own crops.

    Black is the grey level beside the chromosomes, white that of a painted chromosome. Levels of the
    whole picture would follow interphase nuclei and debris instead.

    Parameters
    ----------
    pixels : (N, C, H, W) uint8 or uint16
        All crops of one image.
    masks : (N, H, W) bool

    Returns
    -------
    (C, 2) float32
        (0, 1) for every channel if there is no crop.
    """
    levels = np.tile(np.array([0.0, 1.0], np.float32), (pixels.shape[1], 1))
    present = masks.any(axis=(1, 2))
    if not present.any():
        return levels
    # Beyond the image a crop is 0 in every channel: that is no background.
    beside = ~masks & pixels.any(axis=1)
    for channel in range(pixels.shape[1]):
        plane = pixels[:, channel]
        black, middle = _percentiles(plane[beside], (_BACKGROUND_PERCENTILE, 50.0))
        bodies = np.array([np.median(plane[i][masks[i]]) for i in np.nonzero(present)[0]])
        noise = max(middle - black, 1.0)
        span = max(_HEADROOM * (_level_of_paint(bodies) - black), _MIN_SPAN_IN_NOISE * noise)
        levels[channel] = (black, black + span)
    return levels


def _percentiles(values: NDArray[np.integer[Any]], percentiles: Sequence[float]) -> list[float]:
    """Percentiles that are values themselves, by counting: grey levels are few, and pixels many."""
    if values.size == 0:
        return [0.0] * len(percentiles)
    reached = np.cumsum(np.bincount(values))
    return [float(np.searchsorted(reached, p / 100.0 * values.size)) for p in percentiles]


def _level_of_paint(bodies: NDArray[np.float64]) -> float:
    """Grey level of painted chromosomes, from the medians of all of a metaphase, (N,)."""
    dense = float(np.percentile(bodies, _DENSE_PERCENTILE))
    if bodies.min() == bodies.max():
        return dense
    sparse = float(np.median(bodies[bodies > threshold_otsu(bodies)]))
    return max(dense, sparse)


def to_canvas(
    pixels: NDArray[np.integer[Any]],
    mask: NDArray[np.bool_],
    levels: NDArray[np.float32],
    channels: Sequence[str],
    preprocessing: Preprocessing,
) -> NDArray[np.uint8]:
    """Bring one crop onto the canvas.

    Parameters
    ----------
    pixels : (C, H, W) uint8 or uint16
    mask : (H, W) bool
        The chromosome; it must have a pixel.
    levels : (C, 2) float32
        Grey levels that become 0 and 255.
    channels
        Names of the C planes; a colour that is missing stays black.

    Returns
    -------
    (3, canvas_px, canvas_px) uint8
        Red, green, DAPI.

    Raises
    ------
    PreprocessingError
        The mask is empty.
    """
    placement = _placement(mask, *_filled(mask), preprocessing)
    planes = _levelled(pixels[(slice(None), *placement.cut)], levels, channels)
    if preprocessing.background == "zero":
        body = mask[placement.cut][..., None].astype(np.float32)
        moved = placement.move(np.concatenate([planes * body, body], axis=2))
        moved = np.where(moved[..., 3:] > 0, moved[..., :3], np.float32(0))
    else:
        moved = placement.move(planes)
    return np.ascontiguousarray(np.rint(moved).astype(np.uint8).transpose(2, 0, 1))


def mask_on_canvas(mask: NDArray[np.bool_], preprocessing: Preprocessing) -> NDArray[np.bool_]:
    """Where a crop's chromosome lies on its canvas: exactly the pixels that ``zero`` leaves alone.

    Parameters
    ----------
    mask : (H, W) bool

    Returns
    -------
    (canvas_px, canvas_px) bool

    Raises
    ------
    PreprocessingError
        The mask is empty.
    """
    placement = _placement(mask, *_filled(mask), preprocessing)
    return placement.move(mask[placement.cut].astype(np.float32)) > 0


def scale_on_canvas(mask: NDArray[np.bool_], preprocessing: Preprocessing) -> float:
    """Canvas pixels per pixel of a crop: the scale asked for, or less if it would not fit.

    Raises
    ------
    PreprocessingError
        The mask is empty.
    """
    return _placement(mask, *_filled(mask), preprocessing).scale


def _filled(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns that the mask reaches."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        raise PreprocessingError("The crop's mask is empty; segment the image again.")
    return rows, cols


@dataclass(frozen=True)
class _Placement:
    """Where a crop lies on the canvas.

    Attributes
    ----------
    cut
        Rows and columns of the crop that can reach the canvas.
    affine : (2, 3) float64
        From coordinates within `cut` to the canvas.
    """

    cut: tuple[slice, slice]
    affine: NDArray[np.float64]
    scale: float
    side: int

    def move(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring (h, w) or (h, w, C) onto the canvas; beyond it lies 0."""
        smooth = _band_limited(image, self.scale)
        return np.asarray(cv2.warpAffine(smooth, self.affine, (self.side, self.side)), np.float32)


def _placement(
    mask: NDArray[np.bool_], rows: NDArray[np.intp], cols: NDArray[np.intp], preprocessing: Preprocessing
) -> _Placement:
    """Centre a chromosome whose mask fills some of these rows and columns."""
    centre_y, centre_x = (rows[0] + rows[-1]) / 2.0, (cols[0] + cols[-1]) / 2.0
    ys, xs = np.nonzero(mask[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1])
    distance2 = (ys + rows[0] - centre_y) ** 2 + (xs + cols[0] - centre_x) ** 2
    side = preprocessing.canvas_px
    scale = min(preprocessing.scale, (side / 2.0 - 1.0) / (float(np.sqrt(distance2.max())) + 0.5))
    # What the blur of a shrunk crop reaches; all of it where neighbours are kept.
    margin = _REACH_PX if preprocessing.background == "zero" else max(mask.shape)
    cut = (
        slice(max(rows[0] - margin, 0), rows[-1] + margin + 1),
        slice(max(cols[0] - margin, 0), cols[-1] + margin + 1),
    )
    middle = (side - 1) / 2.0
    shift_x, shift_y = (
        middle - scale * (c - part.start) for c, part in zip((centre_x, centre_y), cut[::-1], strict=True)
    )
    return _Placement(cut, np.array([[scale, 0.0, shift_x], [0.0, scale, shift_y]]), scale, side)


def _levelled(
    pixels: NDArray[np.integer[Any]], levels: NDArray[np.float32], channels: Sequence[str]
) -> NDArray[np.float32]:
    """(h, w, 3) float32 in 0..255 from (C, h, w) pixels."""
    planes = np.zeros((*pixels.shape[1:], len(CANVAS_CHANNELS)), np.float32)
    for index, name in enumerate(CANVAS_CHANNELS):
        if name in channels:
            source = list(channels).index(name)
            black, white = levels[source]
            planes[..., index] = (pixels[source] - black) * (WHITE / (white - black))
    return np.clip(planes, 0, WHITE, out=planes)


def _band_limited(image: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Blur as much as a coarser grid needs, so that shrinking makes no patterns of its own."""
    sigma = 0.5 * np.sqrt(max(1.0 / scale**2 - 1.0, 0.0))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32) if sigma > _NO_BLUR_PX else image
