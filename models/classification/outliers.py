"""What makes a crop a doubtful example: its size, focus and saturation, and shapes of several chromosomes.

Each measure is a plain number; `Reference` says what is usual in a selection, and `doubts` compares.
Nothing is decided here: a person looks at what is named and excludes it, or does not.

"Usual" is the median, and its spread the median absolute deviation: neither moves when one crop in
five is an outlier. Scores are in standard deviations of a normal distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

DoubtCode = Literal["area_small", "area_large", "out_of_focus", "saturated", "several_chromosomes"]

MAX_SCORE = 3.5  # beyond this a value is an outlier (Iglewicz and Hoaglin)
MAX_SATURATED_SHARE = 0.02  # of a crop's pixels
MIN_CROPS = 8  # fewer have no usual value
MIN_AREA_SPREAD = 0.1  # natural logarithm; chromosomes of one selection are never more alike
MIN_FOCUS_SPREAD = 0.1
MIN_FOCUS_PX = 20
SMOOTHING_PX = 1.0  # the camera's noise is finer than what focus blurs
MAD_TO_SD = 1.4826
ARM_HALF_WIDTHS = 0.5  # shorter branches of a skeleton are bumps of the outline

_SQUARE = ndimage.generate_binary_structure(2, 2)
_NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])


@dataclass(frozen=True)
class Shape:
    """The outline of a crop.

    Attributes
    ----------
    solidity
        Area over that of the convex hull, at most 1.
    arms
        Free ends of the skeleton that reach beyond the outline's width: two of a chromosome, more where
        several cross or lie against each other.
    half_width_px
        Median distance from the skeleton to the outline.
    max_half_width_px
        Radius of the largest disc inside.
    """

    solidity: float
    arms: int
    half_width_px: float
    max_half_width_px: float


@dataclass(frozen=True)
class Doubt:
    """Why somebody should look at a crop.

    Attributes
    ----------
    value, limit
        What was measured, and where doubt begins.
    """

    code: DoubtCode
    detail: str
    value: float
    limit: float


@dataclass(frozen=True)
class Usual:
    """Median of a quantity, and its robust standard deviation."""

    centre: float
    spread: float

    @classmethod
    def of(cls, values: Sequence[float], least_spread: float) -> Usual | None:
        """What is usual among values; None if they are too few to say.

        Values that are not finite are left out.
        """
        known = np.asarray(values, np.float64)
        known = known[np.isfinite(known)]
        if len(known) < MIN_CROPS:
            return None
        centre = float(np.median(known))
        spread = MAD_TO_SD * float(np.median(np.abs(known - centre)))
        return cls(centre, max(spread, least_spread))

    def score(self, value: float) -> float:
        """How many standard deviations a value lies above the centre; 0 for one that is unknown."""
        return (value - self.centre) / self.spread if np.isfinite(value) else 0.0


def focus_of(dapi: NDArray[np.generic], mask: NDArray[np.bool_]) -> float:
    """How sharp a chromosome is: log of its gradients' energy over its contrast.

    Parameters
    ----------
    dapi : (H, W) uint8, uint16 or float
        With the surroundings, whose edge to the chromosome tells most.
    mask : (H, W) bool

    Returns
    -------
    float
        Larger is sharper; the same at any brightness and contrast. NaN for a crop without contrast
        or of less than `MIN_FOCUS_PX` pixels.
    """
    if int(mask.sum()) < MIN_FOCUS_PX:
        return float("nan")
    near = ndimage.binary_dilation(mask, _SQUARE, iterations=2)
    smooth = ndimage.gaussian_filter(dapi.astype(np.float64), SMOOTHING_PX)
    variance = float(smooth[near].var())
    energy = float((ndimage.sobel(smooth, 0)[near] ** 2 + ndimage.sobel(smooth, 1)[near] ** 2).mean()) / 64.0
    return float(np.log(energy / variance)) if variance > 0.0 and energy > 0.0 else float("nan")


def saturated_share(pixels: NDArray[np.integer[Any]], mask: NDArray[np.bool_]) -> float:
    """Largest share of a crop's pixels at the type's largest value, over channels; (C, H, W) and (H, W)."""
    if not mask.any():
        return 0.0
    return float((pixels[:, mask] >= np.iinfo(pixels.dtype).max).mean(axis=1).max())


def shape_of(mask: NDArray[np.bool_]) -> Shape:
    """Measure an outline; mask is (H, W) bool with at least one pixel."""
    ys, xs = np.nonzero(mask)
    tight = np.pad(largest_piece(mask[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]), 2)
    distances = cv2.distanceTransform(tight.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Bumps of one pixel would each grow a branch of the skeleton.
    smooth = cv2.GaussianBlur(tight.astype(np.float32), (0, 0), 1.5) > 0.5
    skeleton = skeletonize(smooth if smooth.any() else tight)
    half_width_px = float(np.median(distances[skeleton]))
    arms = _count_arms(skeleton, distances, half_width_px)
    return Shape(roundness_and_solidity(tight)[1], arms, half_width_px, float(distances.max()))


def _count_arms(skeleton: NDArray[np.bool_], distances: NDArray[Any], half_width_px: float) -> int:
    """Count the free ends of a skeleton that reach beyond the disc in which they begin."""
    neighbours = ndimage.convolve(skeleton.astype(np.int32), _NEIGHBOURS, mode="constant")
    branching = skeleton & (neighbours >= 3)
    ends = skeleton & (neighbours == 1)
    if not branching.any():
        return int(ends.sum())
    away = ndimage.distance_transform_edt(~branching)
    pieces, count = ndimage.label(skeleton & (away > 1.0), _SQUARE)
    at_branch = np.argwhere(branching)
    arms = 0
    for piece in range(1, count + 1):
        own = pieces == piece
        tips = np.argwhere(own & ends)
        if len(tips) == 0:
            continue
        near = at_branch[int(np.argmin(((at_branch - tips[0]) ** 2).sum(axis=1)))]
        arms += int(own.sum()) + 1 - float(distances[tuple(near)]) > ARM_HALF_WIDTHS * half_width_px
    return arms


@dataclass(frozen=True)
class Measured:
    """All measures of one crop; `shape` is None of an empty mask."""

    area_px: int
    focus: float
    saturated: float
    shape: Shape | None


@dataclass(frozen=True)
class Reference:
    """What is usual in a selection; None where too few crops tell.

    Attributes
    ----------
    log_area, focus, log_half_width
        Of ln(area in px), of `focus_of`, and of ln(half width in px).
    """

    log_area: Usual | None
    focus: Usual | None
    log_half_width: Usual | None
