"""How paint looks on a chromosome: it follows DAPI, and has a grain."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.simulation.colours import PAINT_CHANNELS

_Floats = NDArray[np.float64]

_FAINTEST = 4.0  # grey levels below are noise, whose logarithm says nothing
_LARGEST = 1.0  # of the logarithm: beyond lie dirt and the rim
_LEAST_SPREAD = 0.05
# Two Gaussian blurs of white noise whose sum has the autocorrelation that was measured on painted
# normals of the ADIR M-FISH training slides: 0.91, 0.76, 0.61, 0.46, 0.35, 0.25 at 1 to 6 canvas pixels.
_BLURS_PX = (1.3, 3.5)
_SHARES = (0.45, 0.55)
# Towards the rim paint fades as DAPI does (to 0.33 and 0.27 of the level), though it follows it less inside.
_RIM_SHARE = 0.6
_RIM_EXPONENT = 0.9


def log_shape(
    dapi: NDArray[np.uint8], mask: NDArray[np.bool_], level: float, exponent: float, shift_px: _Floats
) -> _Floats:
    """Logarithm of the paint that DAPI alone leads one to expect, (n,) float64; 0 where DAPI is at its level.

    Parameters
    ----------
    dapi : (S, S) uint8
    mask : (S, S) bool
    level
        Median of DAPI.
    exponent
        How closely paint follows DAPI.
    shift_px : (2,) float64
        (y, x) of the channel against DAPI.
    """
    move = np.array([[1.0, 0.0, shift_px[1]], [0.0, 1.0, shift_px[0]]])
    moved = cv2.warpAffine(dapi.astype(np.float32), move, dapi.shape[::-1])
    log = np.log(np.maximum(moved[mask], _FAINTEST) / max(level, _FAINTEST)).astype(np.float64)
    rim = np.minimum(log - np.log(_RIM_SHARE), 0.0)
    return np.asarray(exponent * (log - rim) + _RIM_EXPONENT * rim)


def own_grain(
    canvas: NDArray[np.uint8], mask: NDArray[np.bool_], body: NDArray[np.bool_], levels: _Floats
) -> _Floats | None:
    """What a crop's own paint has besides DAPI: logarithms, (n,) float64 about 0.

    None if the crop has nothing bright enough to measure it on.
    """
    channel = int(np.argmax(levels[:PAINT_CHANNELS]))
    if levels[channel] <= _FAINTEST:
        return None
    paint = np.log(np.maximum(canvas[channel], _FAINTEST))
    dapi = np.log(np.maximum(canvas[PAINT_CHANNELS], _FAINTEST))
    x, y = dapi[body], paint[body]
    spread = float(x.std())
    slope = float(((x - x.mean()) * (y - y.mean())).mean()) / spread**2 if spread > _LEAST_SPREAD else 0.0
    rest = (paint - y.mean() - slope * (dapi - x.mean()))[mask]
    return np.asarray(np.clip(rest, -_LARGEST, _LARGEST))


def grain_field(side: int, rng: np.random.Generator, scale: float = 1.0) -> NDArray[np.float32]:
    """Draw a random field with the grain of paint: (side, side) float32, mean 0, variance 1.

    Parameters
    ----------
    scale
        Of the lengths over which it is alike. A grain much finer than a pixel has a variance below 1: the
        pixel averages it.
    """
    field = np.zeros((side, side), np.float32)
    for measured_px, share in zip(_BLURS_PX, _SHARES, strict=True):
        blur = scale * measured_px
        white = rng.standard_normal((side, side), np.float32)
        # Blurred white noise has the variance 1 / (4 pi blur²).
        field += np.sqrt(share * 4.0 * np.pi) * blur * cv2.GaussianBlur(white, (0, 0), blur)
    return field
