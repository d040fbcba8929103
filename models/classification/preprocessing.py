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
    scale: float = 0.8
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
        around = plane[beside]
        black, middle = np.percentile(around, [_BACKGROUND_PERCENTILE, 50.0]) if around.size else (0.0, 0.0)
        bodies = np.array([np.median(plane[i][masks[i]]) for i in np.nonzero(present)[0]])
        noise = max(float(middle - black), 1.0)
        span = max(_HEADROOM * (_level_of_paint(bodies) - float(black)), _MIN_SPAN_IN_NOISE * noise)
        levels[channel] = (black, float(black) + span)
    return levels


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
    rows, cols = np.nonzero(mask)
    if rows.size == 0:
        raise PreprocessingError("The crop's mask is empty; segment the image again.")
    centre_y = (rows.min() + rows.max()) / 2.0
    centre_x = (cols.min() + cols.max()) / 2.0
    reach = float(np.sqrt((rows - centre_y) ** 2 + (cols - centre_x) ** 2).max()) + 0.5
    side = preprocessing.canvas_px
    scale = min(preprocessing.scale, (side / 2.0 - 1.0) / reach)
    middle = (side - 1) / 2.0
    affine = np.array([[scale, 0, middle - scale * centre_x], [0, scale, middle - scale * centre_y]])
    canvas = np.zeros((len(CANVAS_CHANNELS), side, side), np.uint8)
    for index, name in enumerate(CANVAS_CHANNELS):
        if name not in channels:
            continue
        source = list(channels).index(name)
        black, white = levels[source]
        plane = np.clip((pixels[source].astype(np.float32) - black) * (WHITE / (white - black)), 0, WHITE)
        if preprocessing.background == "zero":
            plane = np.where(mask, plane, np.float32(0))
        moved = cv2.warpAffine(_band_limited(plane, scale), affine, (side, side), flags=cv2.INTER_LINEAR)
        canvas[index] = np.rint(moved).astype(np.uint8)
    if preprocessing.background == "zero":
        cover = _band_limited(mask.astype(np.float32), scale)
        covered = cv2.warpAffine(cover, affine, (side, side), flags=cv2.INTER_LINEAR)
        canvas[:, covered <= 0] = 0
    return canvas


def _band_limited(plane: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Blur as much as a coarser grid needs, so that shrinking makes no patterns of its own."""
    sigma = 0.5 * np.sqrt(max(1.0 / scale**2 - 1.0, 0.0))
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32) if sigma > _NO_BLUR_PX else plane
