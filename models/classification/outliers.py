"""What makes a crop a doubtful example: its size, its focus, saturation, and more than one chromosome in it.

Each measure is a plain number; `Reference` says what is usual, and `doubts` compares. Nothing is
decided here: a person looks at what is named and excludes it, or does not.

"Usual" is the median, and its spread the median absolute deviation: neither moves when one crop in
five is an outlier. Scores are in standard deviations of a normal distribution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

DoubtCode = Literal["area_small", "area_large", "out_of_focus", "saturated", "several_chromosomes"]

MAX_SCORE = 3.5  # beyond this a value is an outlier (Iglewicz and Hoaglin)
MAX_BLUR_SCORE = 3.0
MAX_SATURATED_SHARE = 0.2  # of a crop's pixels; old 8-bit scans often clip a few
MAX_SEVERAL = 0.75  # of `several_score`
MIN_CROPS = 8  # fewer have no usual value
MIN_SPREAD = 0.1  # of logarithms: crops of one selection are never more alike
MIN_FOCUS_PX = 20
FINE_PX, COARSE_PX = 0.7, 2.0  # focus is the structure between these two blurs; noise is finer
MAD_TO_SD = 1.4826
# Logistic regression on the development metaphases, single chromosomes against touching pairs taken
# as one (docs/development_set.md): ln of area, depth of the second notch, ln of length, constant.
SEVERAL_WEIGHTS = (8.8, 15.5, -7.1, -1.2)
_SQUARE = ndimage.generate_binary_structure(2, 2)
_FIXED_POINT = 256.0  # OpenCV gives depths in 1/256 px


@dataclass(frozen=True)
class Usual:
    """Median of a quantity, and its robust standard deviation."""

    centre: float
    spread: float

    @classmethod
    def of(cls, values: Sequence[float] | NDArray[np.floating[Any]]) -> Usual | None:
        """What is usual among logarithms; None if fewer than `MIN_CROPS` of them are finite."""
        known = np.asarray(values, np.float64)
        known = known[np.isfinite(known)]
        if len(known) < MIN_CROPS:
            return None
        centre = float(np.median(known))
        spread = MAD_TO_SD * float(np.median(np.abs(known - centre)))
        return cls(centre, max(spread, MIN_SPREAD))

    def score(self, value: float) -> float:
        """How many standard deviations a value lies above the centre; 0 for one that is not finite."""
        return (value - self.centre) / self.spread if math.isfinite(value) else 0.0


@dataclass(frozen=True)
class Reference:
    """What is usual; None where too few crops tell.

    Attributes
    ----------
    log_area, focus
        Of ln(area in px) and of `focus_of`, over the selection.
    log_area_nearby
        Of ln(area in px) over the crops of the same metaphase, which are equally condensed.
    """

    log_area: Usual | None
    focus: Usual | None
    log_area_nearby: Usual | None


@dataclass(frozen=True)
class Outline:
    """The shape of a crop, in pixels.

    Attributes
    ----------
    area_px
        Number of pixels.
    length_px
        Long side of the smallest rectangle at any angle that holds the crop.
    second_notch_px
        Depth of the second deepest notch of the outline below its convex hull. A bent chromosome has
        one notch, on its inner side; where two chromosomes meet there is one on either side.
    """

    area_px: int
    length_px: float
    second_notch_px: float


@dataclass(frozen=True)
class Measured:
    """All measures of one crop; `outline` is None of an empty mask."""

    focus: float
    saturated: float
    outline: Outline | None


@dataclass(frozen=True)
class Doubt:
    """Why somebody should look at a crop: what was measured, and where doubt begins."""

    code: DoubtCode
    detail: str
    value: float
    limit: float


def focus_of(dapi: NDArray[np.generic], mask: NDArray[np.bool_]) -> float:
    """How sharp a chromosome is: log of its fine structure's variance over all variance.

    Parameters
    ----------
    dapi : (H, W) uint8, uint16 or float
        With the surroundings, whose edge to the chromosome tells most.
    mask : (H, W) bool

    Returns
    -------
    float
        Larger is sharper; the same at any brightness and contrast. NaN for a crop without contrast
        or of fewer than `MIN_FOCUS_PX` pixels.
    """
    if int(mask.sum()) < MIN_FOCUS_PX:
        return math.nan
    near = ndimage.binary_dilation(mask, _SQUARE, iterations=2)
    picture = dapi.astype(np.float64)
    smooth = ndimage.gaussian_filter(picture, FINE_PX)
    structure = smooth - ndimage.gaussian_filter(picture, COARSE_PX)
    fine, all_of_it = float(structure[near].var()), float(smooth[near].var())
    return math.log(fine / all_of_it) if min(fine, all_of_it) > 0.0 else math.nan


def saturated_share(pixels: NDArray[np.integer[Any]], mask: NDArray[np.bool_]) -> float:
    """Largest share, over channels, of a crop's pixels at the type's largest value.

    Parameters
    ----------
    pixels : (C, H, W) uint8 or uint16
    mask : (H, W) bool
    """
    if not mask.any():
        return 0.0
    return float((pixels[:, mask] >= np.iinfo(pixels.dtype).max).mean(axis=1).max())


def outline_of(mask: NDArray[np.bool_]) -> Outline | None:
    """Measure the shape of a mask, (H, W) bool; None if it is empty."""
    if not mask.any():
        return None
    points = np.argwhere(mask)[:, ::-1].astype(np.float32)
    _, sides, _ = cv2.minAreaRect(points)
    outlines, _ = cv2.findContours(np.pad(mask, 1).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    depths = sorted(_notches_px(max(outlines, key=len)), reverse=True)
    return Outline(len(points), float(max(sides)) + 1.0, depths[1] if len(depths) > 1 else 0.0)


def _notches_px(outline: Any) -> Iterator[float]:
    """Depths (px) of an outline's notches below its convex hull."""
    hull = cv2.convexHull(outline, returnPoints=False)
    if len(hull) < 3:  # noqa: PLR2004 - a line or a point has no inside
        return
    # Hull indices must ascend or descend; on an outline that touches itself OpenCV may break that rule.
    defects = cv2.convexityDefects(outline, np.sort(hull, axis=0)[::-1])
    if defects is not None:
        yield from (np.asarray(defects).reshape(-1, 4)[:, 3] / _FIXED_POINT).tolist()


def several_score(outline: Outline, usual_area_px: float) -> float:
    """How much an outline looks like more than one chromosome, between 0 and 1.

    Two chromosomes in one outline are large, not longer than one, and notched on both sides.

    Parameters
    ----------
    usual_area_px
        Median area of the chromosomes of the same metaphase.
    """
    unit_px = math.sqrt(usual_area_px)
    by_area, by_notch, by_length, constant = SEVERAL_WEIGHTS
    logit = (
        by_area * math.log(outline.area_px / usual_area_px)
        + by_notch * outline.second_notch_px / unit_px
        + by_length * math.log(outline.length_px / unit_px)
        + constant
    )
    return 1.0 / (1.0 + math.exp(-min(max(logit, -50.0), 50.0)))


def doubts(measured: Measured, reference: Reference) -> tuple[Doubt, ...]:
    """Every reason to doubt a crop; empty for a usual one."""
    return tuple(_doubts(measured, reference))


def _doubts(measured: Measured, reference: Reference) -> Iterator[Doubt]:
    outline = measured.outline
    if outline is not None and reference.log_area is not None:
        score = reference.log_area.score(math.log(outline.area_px))
        if abs(score) > MAX_SCORE:
            code: DoubtCode = "area_small" if score < 0 else "area_large"
            side = "below" if score < 0 else "above"
            detail = f"Its area lies {abs(score):.1f} standard deviations {side} what is usual here."
            yield Doubt(code, detail, score, math.copysign(MAX_SCORE, score))
    if reference.focus is not None:
        score = reference.focus.score(measured.focus)
        if score < -MAX_BLUR_SCORE:
            detail = f"Its edges are blurred: {-score:.1f} standard deviations below the usual sharpness."
            yield Doubt("out_of_focus", detail, score, -MAX_BLUR_SCORE)
    if measured.saturated > MAX_SATURATED_SHARE:
        detail = f"{measured.saturated:.0%} of its pixels are at the camera's limit in one channel."
        yield Doubt("saturated", detail, measured.saturated, MAX_SATURATED_SHARE)
    if outline is not None and reference.log_area_nearby is not None:
        several = several_score(outline, math.exp(reference.log_area_nearby.centre))
        if several > MAX_SEVERAL:
            detail = "It is large for its length and notched on both sides, as chromosomes that touch are."
            yield Doubt("several_chromosomes", detail, several, MAX_SEVERAL)
