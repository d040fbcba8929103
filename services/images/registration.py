"""Channel registration: lay the fluorochrome planes on the DAPI plane.

Filter changes and chromatic aberration move the planes of a metaphase against each other, by one to two
pixels as a rule and sometimes by eighteen. Painted planes show only some of the chromosomes, and those
at very different brightness, so plain phase correlation locks onto noise or onto bright debris. Here each
plane is compressed by a logarithm in units of its own noise, band-passed to the scale of a chromosome, and
cross-correlated within a bounded window; the peak is refined below a pixel by a parabola.
docs/results/registration.md has the measured errors, also of what was tried and left.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage
from scipy.signal.windows import tukey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from services.images.channels import ChannelStack

MAX_SHIFT_PX = 25
_COMPRESSION_IN_NOISE = 2.0
_FINE_SIGMA_PX, _COARSE_SIGMA_PX = 1.0, 10.0
_TAPER = 0.15
# A correct peak of a painted plane correlates at 0.4 or more with DAPI; the one wrong peak seen in training
# slides had 0.26 and stood out from its window by 3.6 deviations.
_MIN_CORRELATION, _MIN_PROMINENCE = 0.30, 4.5
_MIN_CONTRAST = 3.0
_BLOCK_PX = 2048
_NEGLIGIBLE_PX = 0.02
_SPLINE_ORDER = 3
_SPLINE_REACH_PX = 12


@dataclass(frozen=True, slots=True)
class ShiftEstimate:
    """How far a plane must move to lie on another.

    Attributes
    ----------
    shift_px
        (dy, dx) to add to the plane's coordinates; (0, 0) when unreliable.
    reliable
        Whether the peak can be believed.
    correlation
        Normalised cross-correlation of the filtered planes at the peak, at most 1.
    prominence
        Height of the peak over its search window, in robust deviations.
    """

    shift_px: tuple[float, float]
    reliable: bool
    correlation: float
    prominence: float


@dataclass(frozen=True, slots=True)
class Registered:
    """A stack whose planes lie on its DAPI plane.

    Attributes
    ----------
    pixels : (C, H, W)
        Same dtype and channel order as the stack; the DAPI plane is untouched.
    shifts_px
        Channel to the (dy, dx) applied; (0, 0) for DAPI and for unreliable planes.
    reliable
        Channel to whether its shift could be estimated; True for DAPI.
    """

    pixels: NDArray[np.generic]
    shifts_px: dict[str, tuple[float, float]]
    reliable: dict[str, bool]


def register(stack: ChannelStack, max_shift_px: int = MAX_SHIFT_PX) -> Registered:
    """Lay every fluorochrome plane of a metaphase on its DAPI plane.

    A plane that is empty, too weak, or whose best match lies at the edge of the search window stays where
    it is and is reported as unreliable.

    Parameters
    ----------
    stack
        A decoded image with a DAPI plane.
    max_shift_px
        Half the side of the search window.

    Raises
    ------
    InvalidInputError
        The stack has no DAPI plane.
    """
    dapi = stack.plane("dapi")
    pixels = stack.pixels.copy()
    shifts: dict[str, tuple[float, float]] = {}
    reliable: dict[str, bool] = {}
    for index, channel in enumerate(stack.channels):
        if channel == "dapi":
            shifts[channel], reliable[channel] = (0.0, 0.0), True
            continue
        estimate = estimate_shift(dapi, stack.pixels[index], max_shift_px)
        shifts[channel], reliable[channel] = estimate.shift_px, estimate.reliable
        pixels[index] = shift_plane(stack.pixels[index], estimate.shift_px)
    return Registered(pixels, shifts, reliable)


def estimate_shift(
    reference: NDArray[np.generic], plane: NDArray[np.generic], max_shift_px: int = MAX_SHIFT_PX
) -> ShiftEstimate:
    """Estimate the shift that lays a plane on a reference.

    Parameters
    ----------
    reference, plane : (H, W) uint8 or uint16
        DAPI, and a fluorochrome of the same metaphase.
    max_shift_px
        Largest shift looked for along each axis.
    """
    reach = max(1, min(max_shift_px, min(plane.shape) // 4))
    scales = [_noise_scale(array) for array in (reference, plane)]
    if None in scales or min(plane.shape) < 4 * _FINE_SIGMA_PX:
        return ShiftEstimate((0.0, 0.0), reliable=False, correlation=0.0, prominence=0.0)
    surface = np.zeros((2 * reach + 1, 2 * reach + 1))
    energy = np.zeros(2)
    for block in _blocks(plane.shape):
        filtered = [
            _filtered(array[block], scale)
            for array, scale in zip((reference, plane), scales, strict=True)
            if scale is not None
        ]
        surface += _correlation_window(filtered[0], filtered[1], reach)
        energy += [float(np.sum(np.square(array, dtype=np.float64))) for array in filtered]
    return _read_peak(surface, float(np.sqrt(energy[0] * energy[1])), reach)


def shift_plane(plane: NDArray[np.generic], shift_px: tuple[float, float]) -> NDArray[np.generic]:
    """Move a plane by a subpixel shift with cubic splines.

    Parameters
    ----------
    plane : (H, W) uint8 or uint16
    shift_px
        (dy, dx); positive moves the content down and to the right.

    Returns
    -------
    (H, W) of the same dtype
        What comes in from outside is the plane's median, that is background; nothing wraps around.
    """
    if max(abs(shift_px[0]), abs(shift_px[1])) < _NEGLIGIBLE_PX:
        return plane.copy()
    background = float(np.percentile(plane.astype(np.float32), 50))
    height = plane.shape[0]
    halo = int(np.ceil(abs(shift_px[0]))) + _SPLINE_REACH_PX
    moved = np.empty_like(plane)
    # In bands, because the spline coefficients take eight bytes a pixel.
    for top in range(0, height, _BLOCK_PX):
        bottom = min(top + _BLOCK_PX, height)
        first, last = max(0, top - halo), min(height, bottom + halo)
        band = ndimage.shift(
            plane[first:last].astype(np.float32),
            shift_px,
            order=_SPLINE_ORDER,
            mode="constant",
            cval=background,
        )
        kept = np.rint(band[top - first : bottom - first])
        moved[top:bottom] = np.clip(kept, 0, 2 ** (8 * plane.dtype.itemsize) - 1).astype(plane.dtype)
    return moved


def _noise_scale(plane: NDArray[np.generic]) -> tuple[np.float32, np.float32] | None:
    """Background level and noise of a plane, or None when nothing rises out of its noise."""
    step = max(1, int(np.sqrt(plane.size / 1_000_000)))
    sample = plane[::step, ::step].astype(np.float32)
    background = np.median(sample)
    noise = 1.4826 * np.median(np.abs(sample - background)) + 0.5
    if np.percentile(sample, 99.0) - background < _MIN_CONTRAST * noise:
        return None
    return np.float32(background), np.float32(noise)


def _filtered(plane: NDArray[np.generic], scale: tuple[np.float32, np.float32]) -> NDArray[np.float32]:
    """Compress brightness, keep the scale of chromosomes, fade out towards the borders."""
    background, noise = scale
    above = np.maximum(plane.astype(np.float32) - background, np.float32(0))
    compressed = np.log1p(above / (np.float32(_COMPRESSION_IN_NOISE) * noise))
    band = ndimage.gaussian_filter(compressed, _FINE_SIGMA_PX)
    band -= ndimage.gaussian_filter(compressed, _COARSE_SIGMA_PX)
    window = np.outer(tukey(band.shape[0], _TAPER), tukey(band.shape[1], _TAPER)).astype(np.float32)
    faded: NDArray[np.float32] = (band - band.mean()) * window
    return faded


def _correlation_window(
    reference: NDArray[np.float32], plane: NDArray[np.float32], reach: int
) -> NDArray[np.float64]:
    """Cross-correlation for shifts of -reach..reach along both axes, padded so that nothing wraps."""
    shape = tuple(fft.next_fast_len(side + reach, real=True) for side in reference.shape)
    product = fft.rfft2(reference, shape) * np.conj(fft.rfft2(plane, shape))
    correlation = fft.irfft2(product, shape)
    shifts = np.arange(-reach, reach + 1)
    window: NDArray[np.float64] = correlation[np.ix_(shifts, shifts)].astype(np.float64)
    return window


def _read_peak(surface: NDArray[np.float64], energy: float, reach: int) -> ShiftEstimate:
    row, column = (int(i) for i in np.unravel_index(int(np.argmax(surface)), surface.shape))
    peak = surface[row, column]
    middle = np.median(surface)
    spread = 1.4826 * np.median(np.abs(surface - middle))
    correlation = float(peak / energy) if energy > 0 else 0.0
    prominence = float((peak - middle) / spread) if spread > 0 else 0.0
    at_edge = not (0 < row < 2 * reach and 0 < column < 2 * reach)
    reliable = not at_edge and correlation >= _MIN_CORRELATION and prominence >= _MIN_PROMINENCE
    if not reliable:
        return ShiftEstimate((0.0, 0.0), reliable=False, correlation=correlation, prominence=prominence)
    dy = row - reach + _vertex(*surface[row - 1 : row + 2, column])
    dx = column - reach + _vertex(*surface[row, column - 1 : column + 2])
    return ShiftEstimate(
        (float(dy), float(dx)), reliable=True, correlation=correlation, prominence=prominence
    )


def _vertex(left: float, middle: float, right: float) -> float:
    """Offset of a parabola's top from its middle sample, within half a sample."""
    curvature = left - 2.0 * middle + right
    return 0.0 if curvature >= 0 else float(np.clip(0.5 * (left - right) / curvature, -0.5, 0.5))


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Cut a plane into near-equal blocks: correlations of blocks add up, and their memory is bounded."""
    rows, columns = (np.linspace(0, side, -(-side // _BLOCK_PX) + 1).astype(int) for side in shape)
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(columns):
            yield slice(top, bottom), slice(left, right)
