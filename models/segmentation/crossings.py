"""Chromosomes that cross: one network label in the shape of an X or a T becomes two instances.

Where one chromosome lies across another, the arms of the lower one flow into the upper one and
Cellpose's dynamics give both a single label (on the development metaphases nearly always). The
label's shape tells them apart: arms that face each other across a branch point of the skeleton are
one chromosome. Bars that cross at less than about 70 degrees have no single branch point and stay
one label. Lengths are in units of half the width of the image's chromosomes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.morphology import skeletonize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

MIN_STRAIGHTNESS_X = 0.7  # cosine between arms that face each other, both pairs
MIN_STRAIGHTNESS_T = 0.9  # stricter, because a T has one pair only
MIN_ARM_AREA = 1.2  # half-widths squared; smaller branches are bumps of the outline
MIN_STEM_AREA_T = 4.5  # half-widths squared; a shorter stem is a bump or a chromatid
ZONE_SCALE = 1.15  # of the largest disc at the branch point: the zone that both chromosomes share
CLUSTER_HALF_WIDTHS = 1.0  # branch points up to twice as far apart belong to one crossing
RING_HALF_WIDTHS = 1.5  # an arm's direction is taken this far beyond the zone
MIN_RING_PX = 3
MAX_DEPTH = 4  # crossings within one label
NUM_ARMS_T, NUM_ARMS_X = 3, 4
_SQUARE = np.ones((3, 3), np.bool_)
_NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])
_PAIRINGS = (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2)))


@dataclass(frozen=True)
class _Arm:
    """A piece of the label outside the crossing zone, and the unit vector (y, x) towards it."""

    mask: NDArray[np.bool_]
    direction: NDArray[np.float64]


@dataclass(frozen=True)
class _Split:
    """Two chromosomes of one label; the first keeps the shared zone."""

    upper: NDArray[np.bool_]
    lower: NDArray[np.bool_]
    score: float


def half_width_of(shape: NDArray[np.bool_]) -> float:
    """Median distance (px) from an object's skeleton to its outline; shape is (H, W) bool."""
    values = _distances(shape)[skeletonize(shape)]
    return float(np.median(values)) if len(values) else 0.0


def split_crossings(
    shape: NDArray[np.bool_], half_width_px: float, depth: int = MAX_DEPTH
) -> tuple[NDArray[np.bool_], ...]:
    """Take a label apart at its crossings.

    Parameters
    ----------
    shape : (H, W) bool
        One connected label.
    half_width_px
        Half the usual width of a chromosome in this image.

    Returns
    -------
    tuple of (H, W) bool
        Disjoint, together the shape. One element if there is no crossing. A chromosome that passes
        below another one consists of two pieces.
    """
    split = _best_split(shape, half_width_px) if depth > 0 else None
    if split is None:
        return (shape,)
    return (
        *split_crossings(split.upper, half_width_px, depth - 1),
        *split_crossings(split.lower, half_width_px, depth - 1),
    )


def _best_split(shape: NDArray[np.bool_], half_width_px: float) -> _Split | None:
    distances = _distances(shape)
    splits = [
        split
        for centre, extent_px in _branch_points(shape, half_width_px)
        if (split := _split_at(shape, distances, centre, extent_px, half_width_px)) is not None
    ]
    return max(splits, key=lambda split: split.score, default=None)


def _distances(shape: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance (px) of every pixel to the outside; beyond the window is outside."""
    return np.asarray(ndimage.distance_transform_edt(np.pad(shape, 1)))[1:-1, 1:-1]


def _branch_points(
    shape: NDArray[np.bool_], half_width_px: float
) -> Iterator[tuple[NDArray[np.float64], float]]:
    """Centres (y, x) where the skeleton branches, and how far their branch pixels spread (px).

    The skeleton of a slanted X has two branch points close together; they count as one.
    """
    skeleton = skeletonize(shape)
    branching = skeleton & (
        ndimage.convolve(skeleton.astype(int), _NEIGHBOURS, mode="constant") >= NUM_ARMS_T
    )
    if not branching.any():
        return
    reach_px = CLUSTER_HALF_WIDTHS * half_width_px
    clusters, count = ndimage.label(ndimage.distance_transform_edt(~branching) <= reach_px)
    for cluster in range(1, count + 1):
        pixels = np.argwhere(branching & (clusters == cluster)).astype(np.float64)
        centre = pixels.mean(axis=0)
        yield centre, float(np.hypot(*(pixels - centre).T).max())


def _split_at(
    shape: NDArray[np.bool_],
    distances: NDArray[np.float64],
    centre: NDArray[np.float64],
    extent_px: float,
    half_width_px: float,
) -> _Split | None:
    """Pair the arms around one branch point, or None if they are not those of an X or a T."""
    nearest = tuple(np.round(centre).astype(int))
    zone_px = ZONE_SCALE * max(float(distances[nearest]), half_width_px) + 0.8 * extent_px
    ys, xs = np.indices(shape.shape)
    from_centre = np.hypot(ys - centre[0], xs - centre[1])
    arms = _arms(shape, from_centre, zone_px, half_width_px, centre)
    if len(arms) == NUM_ARMS_X:
        first, second = max(_PAIRINGS, key=lambda pairing: min(_straightness(arms, p) for p in pairing))
        score = min(_straightness(arms, first), _straightness(arms, second))
        accepted = score >= MIN_STRAIGHTNESS_X
        groups = sorted(
            (_joined(arms, first), _joined(arms, second)), key=lambda mask: int(mask.sum()), reverse=True
        )
    elif len(arms) == NUM_ARMS_T:
        stem, bar = max(((0, (1, 2)), (1, (0, 2)), (2, (0, 1))), key=lambda s: _straightness(arms, s[1]))
        score = _straightness(arms, bar)
        accepted = score >= MIN_STRAIGHTNESS_T and _area(arms[stem]) >= MIN_STEM_AREA_T * half_width_px**2
        groups = [_joined(arms, bar), arms[stem].mask]
    else:
        return None
    return _Split(shape & ~groups[1], groups[1], score) if accepted else None


def _arms(
    shape: NDArray[np.bool_],
    from_centre: NDArray[np.float64],
    zone_px: float,
    half_width_px: float,
    centre: NDArray[np.float64],
) -> list[_Arm]:
    pieces, count = ndimage.label(shape & (from_centre > zone_px), _SQUARE)
    ring = from_centre <= zone_px + RING_HALF_WIDTHS * half_width_px
    arms = []
    for piece in range(1, count + 1):
        mask = pieces == piece
        near = np.argwhere(mask & ring)
        if mask.sum() < MIN_ARM_AREA * half_width_px**2 or len(near) < MIN_RING_PX:
            continue
        vector = near.mean(axis=0) - centre
        arms.append(_Arm(mask, vector / np.hypot(*vector)))
    return arms


def _area(arm: _Arm) -> int:
    return int(arm.mask.sum())


def _straightness(arms: Sequence[_Arm], pair: tuple[int, int]) -> float:
    """1 where two arms lie on one line on opposite sides, -1 where they lie on each other."""
    return -float(arms[pair[0]].direction @ arms[pair[1]].direction)


def _joined(arms: Sequence[_Arm], pair: tuple[int, int]) -> NDArray[np.bool_]:
    return arms[pair[0]].mask | arms[pair[1]].mask
