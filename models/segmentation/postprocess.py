"""From raw network labels to chromosomes: clean them, drop what is none, measure and flag the rest.

Every length is relative to the expected diameter, so rules hold at any magnification. The rules are
deliberately loose: a chromosome removed here is lost for good, debris kept here is seen by a person.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np
from scipy import ndimage

from models.segmentation.crossings import half_width_of, split_crossings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

TOUCHING_PX = 1  # instances with at most this many pixels between them touch
SATURATED_SHARE = 0.01  # of an instance's pixels at the camera's largest value
MIN_AREA = 0.11  # of the disc of the expected diameter (60 px at 26 px): smaller is debris
MIN_SHAPES_FOR_WIDTH = 5
HALF_WIDTH_OF_DIAMETER = 0.22  # measured on the development metaphases
_SQUARE = ndimage.generate_binary_structure(2, 2)


@dataclass(frozen=True)
class Instance:
    """One chromosome.

    Attributes
    ----------
    label
        Its number in the label image.
    bbox
        y0, x0, y1, x1 in pixels, half-open.
    area_px
        Number of pixels.
    orientation_deg
        Angle of the long axis against the image's rows, counter-clockwise on screen, in [0, 180).
    length_px, width_px
        Sides of the smallest rectangle at any angle that holds the instance.
    flags
        Any of "touching" (at most 1 px of background between it and another instance),
        "overlapping" (crosses another one: both were split from one X- or T-shaped label),
        "border" (cut by the image's edge), "saturated" (over 1 % of its DAPI pixels are at the
        camera's largest value).
    """

    FLAGS: ClassVar[tuple[str, ...]] = ("touching", "overlapping", "border", "saturated")

    label: int
    bbox: tuple[int, int, int, int]
    area_px: int
    orientation_deg: float
    length_px: float
    width_px: float
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class RemovalRules:
    """What is no chromosome; areas in units of the disc of the expected diameter.

    Attributes
    ----------
    diameter_px
        Expected mean diameter of a chromosome (of the disc of equal area).
    min_area_px
        Smaller objects are debris.
    max_flow_error
        Objects whose shape disagrees more with the network's flows are removed; 0 keeps all.
    max_area
        Larger objects are nuclei or clumps, whatever their shape.
    nucleus_area, nucleus_roundness, nucleus_solidity
        An object beyond all three is an interphase nucleus: large, round and convex.
    """

    diameter_px: float
    min_area_px: float
    max_flow_error: float = 0.4
    max_area: float = 8.0
    nucleus_area: float = 3.0
    nucleus_roundness: float = 0.7
    nucleus_solidity: float = 0.9

    @classmethod
    def of(cls, diameter_px: float, min_area_px: float | None, max_flow_error: float) -> RemovalRules:
        """Rules for a diameter; `min_area_px` None means `MIN_AREA` discs."""
        if min_area_px is None:
            min_area_px = MIN_AREA * disc_area_px(diameter_px)
        return cls(diameter_px, min_area_px, max_flow_error)


@dataclass(frozen=True)
class Refined:
    """Chromosomes of an image.

    Attributes
    ----------
    masks : (H, W) int32, labels 1..N in reading order of the bounding boxes, 0 = background
    instances
        One per label, in that order.
    removed
        How many objects were dropped, by reason: "debris", "nucleus", "clump", "inconsistent_flow".
    """

    masks: NDArray[np.int32]
    instances: tuple[Instance, ...]
    removed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Object:
    """A cleaned label: where it is, its pixels in that box, and whether it crosses another one."""

    box: tuple[slice, slice]
    shape: NDArray[np.bool_]
    overlapping: bool


def refine(
    masks: NDArray[np.int32],
    dapi: NDArray[np.generic],
    rules: RemovalRules,
    flow_errors: Mapping[int, float] | None = None,
) -> Refined:
    """Clean labels, split crossings, remove nuclei and debris, number and measure what remains.

    Parameters
    ----------
    masks : (H, W) int32
        Raw labels, 0 = background.
    dapi : (H, W) integer or float
        The image they came from.
    flow_errors
        Mean squared difference between a label's own flows and the network's, by label. The label
        of a crossing fits no single object, so it is split before this is looked at.
    """
    removed: Counter[str] = Counter()
    found: list[_Object] = []
    cleaned = _cleaned(masks)
    half_width_px = usual_half_width_px([shape for _, _, shape in cleaned], rules.diameter_px)
    for label, box, shape in cleaned:
        parts = split_crossings(shape, half_width_px)
        crossing = len(parts) > 1
        error = 0.0 if crossing or flow_errors is None else flow_errors.get(label, 0.0)
        for part in parts:
            reason = removal_reason(part, error, rules)
            if reason is None:
                found.append(_Object(box, part, crossing))
            else:
                removed[reason] += 1
    found.sort(key=_reading_order)
    clean = np.zeros(masks.shape, np.int32)
    for label, item in enumerate(found, 1):
        window = clean[item.box]
        window[item.shape & (window == 0)] = label
    overlapping = {label for label, item in enumerate(found, 1) if item.overlapping}
    return Refined(clean, measure(clean, dapi, overlapping), dict(removed))


def _cleaned(
    masks: NDArray[np.int32],
) -> list[tuple[int, tuple[slice, slice], NDArray[np.bool_]]]:
    """Every label with its box and its largest piece."""
    boxes = ndimage.find_objects(masks)
    return [
        (label, box, largest_piece(masks[box] == label))
        for label, box in enumerate(boxes, 1)
        if box is not None
    ]


def _reading_order(item: _Object) -> tuple[int, int]:
    ys, xs = np.nonzero(item.shape)
    return item.box[0].start + int(ys.min()), item.box[1].start + int(xs.min())


def usual_half_width_px(shapes: Sequence[NDArray[np.bool_]], diameter_px: float) -> float:
    """Half the width (px) of the image's chromosomes, from the diameter if there are only a few."""
    if len(shapes) < MIN_SHAPES_FOR_WIDTH:
        return HALF_WIDTH_OF_DIAMETER * diameter_px
    return float(np.median([half_width_of(shape) for shape in shapes]))


def disc_area_px(diameter_px: float) -> float:
    """Area (px) of the disc of a diameter."""
    return float(np.pi / 4.0 * diameter_px**2)


def largest_piece(shape: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Largest connected piece of an object, its holes filled; (H, W) bool in and out."""
    pieces, count = ndimage.label(shape, _SQUARE)
    if count > 1:
        shape = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return np.asarray(ndimage.binary_fill_holes(shape), np.bool_)


def removal_reason(shape: NDArray[np.bool_], flow_error: float, rules: RemovalRules) -> str | None:
    """Why an object (H, W) bool is no chromosome, or None if it is one; see `Refined.removed`."""
    area_px = int(shape.sum())
    if area_px < rules.min_area_px:
        return "debris"
    area = area_px / disc_area_px(rules.diameter_px)
    if area > rules.nucleus_area:
        roundness, solidity = roundness_and_solidity(shape)
        if roundness > rules.nucleus_roundness and solidity > rules.nucleus_solidity:
            return "nucleus"
        if area > rules.max_area:
            return "clump"
    return "inconsistent_flow" if 0.0 < rules.max_flow_error < flow_error else None


def roundness_and_solidity(shape: NDArray[np.bool_]) -> tuple[float, float]:
    """Area over that of the enclosing circle, and over that of the convex hull; both at most 1."""
    outlines, _ = cv2.findContours(
        np.pad(shape, 1).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    outline = max(outlines, key=len)
    # Outlines run through pixel centres; half a pixel on each side belongs to the object.
    _, radius = cv2.minEnclosingCircle(outline)
    hull = cv2.convexHull(outline)
    hull_area = cv2.contourArea(hull) + cv2.arcLength(hull, closed=True) / 2.0 + 1.0
    area = float(shape.sum())
    return min(area / (np.pi * (radius + 0.5) ** 2), 1.0), min(area / hull_area, 1.0)


def measure(
    masks: NDArray[np.int32], dapi: NDArray[np.generic], overlapping: AbstractSet[int] = frozenset()
) -> tuple[Instance, ...]:
    """Measure and flag every label of a clean label image.

    Parameters
    ----------
    masks : (H, W) integer
    dapi : (H, W) uint8, uint16 or float
    """
    ceiling = np.iinfo(dapi.dtype.name).max if np.issubdtype(dapi.dtype, np.integer) else np.inf
    found = []
    for label, box in enumerate(ndimage.find_objects(masks), 1):
        if box is None:
            continue
        shape = masks[box] == label
        ys, xs = np.nonzero(shape)
        orientation_deg, length_px, width_px = _axes(ys, xs)
        bbox = (box[0].start, box[1].start, box[0].stop, box[1].stop)
        flags = {
            "touching": is_touching(masks, label, box),
            "overlapping": label in overlapping,
            "border": min(bbox[:2]) == 0 or bbox[2] == masks.shape[0] or bbox[3] == masks.shape[1],
            "saturated": float(np.mean(dapi[box][shape] >= ceiling)) > SATURATED_SHARE,
        }
        names = tuple(name for name in Instance.FLAGS if flags.get(name))
        found.append(Instance(label, bbox, len(ys), orientation_deg, length_px, width_px, names))
    return tuple(found)


def is_touching(masks: NDArray[np.int32], label: int, box: tuple[slice, slice]) -> bool:
    """Whether another label lies within `TOUCHING_PX` (in 8-neighbour steps) of this one."""
    wide = tuple(slice(max(s.start - TOUCHING_PX - 1, 0), s.stop + TOUCHING_PX + 1) for s in box)
    window = masks[wide]
    near = ndimage.binary_dilation(window == label, _SQUARE, iterations=TOUCHING_PX + 1)
    return bool(np.any(near & (window != 0) & (window != label)))


def _axes(ys: NDArray[np.intp], xs: NDArray[np.intp]) -> tuple[float, float, float]:
    """Orientation (deg) from second moments; length and width (px) of the smallest rectangle."""
    dy, dx = ys - ys.mean(), xs - xs.mean()
    # Image rows grow downwards, angles grow counter-clockwise: hence the minus.
    angle = 0.5 * np.arctan2(-2.0 * np.mean(dy * dx), np.mean(dx * dx) - np.mean(dy * dy))
    _, sides, _ = cv2.minAreaRect(np.column_stack([xs, ys]).astype(np.float32))
    return float(np.degrees(angle) % 180.0), float(max(sides)) + 1.0, float(min(sides)) + 1.0
