"""The colours that a chromosome can have in a two-colour painting, and which one a crop has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy.ndimage import binary_erosion

if TYPE_CHECKING:
    from numpy.typing import NDArray

Colour = Literal["none", "red", "green", "yellow"]
COLOURS: tuple[Colour, ...] = get_args(Colour)
CARRIES: dict[Colour, tuple[bool, bool]] = {
    "none": (False, False),
    "red": (True, False),
    "green": (False, True),
    "yellow": (True, True),
}
"""Whether a colour has paint in the red and in the green channel."""

PAINT_CHANNELS = 2
# Measured on the painted normals of the ADIR M-FISH training slides: these two limits give 95 % of the
# crops the colour that most of their class has in that probe set and view. Either limit alone gives 90 to
# 94 %: staining differs too much between metaphases, and bleed-through between channels.
_PAINTED_LEVEL = 80.0
PAINTED_SHARE = 0.6  # of the brighter channel
_UNTOUCHED_LEVEL = 4.0
_RIM_PX = 2
_FEWEST_PIXELS = 20


def body_of(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask without its rim, which is darker in every channel; all of it if little is left."""
    body = binary_erosion(mask, iterations=_RIM_PX)
    return body if np.count_nonzero(body) >= _FEWEST_PIXELS else mask


def levels_of(canvas: NDArray[np.uint8], body: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Median grey levels, (3,) float64 of red, green and DAPI, of a (3, S, S) canvas."""
    return np.asarray(np.median(canvas[:, body], axis=1), np.float64)


def colour_of(levels: NDArray[np.float64]) -> Colour | None:
    """Tell a chromosome's colour from its levels; None if no fluorescence was measured at all."""
    paint = levels[:PAINT_CHANNELS]
    if paint.max() <= _UNTOUCHED_LEVEL:
        return None
    least = max(_PAINTED_LEVEL, PAINTED_SHARE * float(paint.max()))
    carried = tuple(bool(level >= least) for level in paint)
    return next(colour for colour in COLOURS if CARRIES[colour] == carried)
