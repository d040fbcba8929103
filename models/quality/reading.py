"""A simple reading of a painted chromosome: its colours, and where they meet.

Red and green are averaged along the chromosome's length, bends included. In each of the two the one cut
is sought whose two sides explain most of what varies along the length. A colour that is painted on one
side only steps there: little else varies. A centromere, a fading end or a neighbour's light varies too,
but not in one step. How often the reading is right on real, judged crops belongs beside every figure
made of it: it is a yardstick for spread, and no classifier. Of two junctions it sees one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.graph import MCP_Geometric

from models.quality.stopping import Check, never_stop

COLOURS = ("none", "red", "green", "yellow")
BINS = 20
ENDS = 1  # bins at either end that are left out: ends fade
MIN_SIDE = 3  # bins
# On the training slides of the development set 0.79 of the translocations have such a step, and 0.21 of
# the normal crops; on the validation slides 0.73 and 0.21.
MIN_STEP = 40.0  # grey levels
MIN_EXPLAINED = 0.65
ON_LEVEL = 80.0  # grey levels; paint is about 190 where the preprocessing is the usual one
_RED, _GREEN = 0, 1


@dataclass(frozen=True)
class Reading:
    """What is read from N canvases.

    Attributes
    ----------
    first, second : (N,) int64
        Colours of the two sides, in the order of `COLOURS`; equal where one was read.
    positions : (N,) float64
        Share of the length that the shorter side takes, at most 0.5; NaN where the crop is uniform.
    explained : (N,) float64
        Share of the variance along the length that the best cut explains, in red or in green; 0 where
        neither steps by `MIN_STEP`.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    positions: NDArray[np.float64]
    explained: NDArray[np.float64]

    @property
    def two_coloured(self) -> NDArray[np.bool_]:
        """(N,) bool: where a junction is read."""
        return np.isfinite(self.positions)

    @property
    def pairs(self) -> list[str]:
        """N names such as ``red + green``, or one colour."""
        return [
            COLOURS[a] if not two else f"{COLOURS[min(a, b)]} + {COLOURS[max(a, b)]}"
            for a, b, two in zip(self.first, self.second, self.two_coloured, strict=True)
        ]


def read_colours(
    canvases: NDArray[np.uint8], masks: NDArray[np.bool_], *, check: Check = never_stop
) -> Reading:
    """Read the colours and the junction of each canvas.

    Parameters
    ----------
    canvases : (N, 3, S, S) uint8
        Red, green, DAPI.
    masks : (N, S, S) bool
        Where the chromosome lies; a canvas with an empty mask is read as uniform and unpainted.
    check
        Called now and then; may raise to stop.
    """
    count = len(canvases)
    colours = np.zeros((2, count), np.int64)
    positions, explained = np.full(count, np.nan), np.zeros(count)
    for row in range(count):
        if row % 64 == 0:
            check()
        profile = _profile(canvases[row, :2], masks[row])
        if len(profile) < 2 * MIN_SIDE:
            colours[:, row] = _colours_of(profile) if len(profile) else 0
            continue
        cut, explained[row] = _best_cut(profile)
        if explained[row] >= MIN_EXPLAINED:
            colours[:, row] = _colours_beside(_sides(profile, cut))
            positions[row] = (min(cut, len(profile) - cut) + ENDS) / (len(profile) + 2 * ENDS)
        else:
            colours[:, row] = _colours_of(profile)
    return Reading(colours[0], colours[1], positions, explained)


def _profile(planes: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(bins, 2) mean red and green along the length, without the ends and bins that have no pixel."""
    if not mask.any():
        return np.empty((0, 2))
    along = _along(mask)
    reached = np.isfinite(along)
    places = along[reached]
    bins = np.minimum((places / max(places.max(), 1e-9) * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    sums = np.stack([np.bincount(bins, plane[reached], BINS) for plane in planes], axis=1)
    filled = counts > 0
    filled[:ENDS] = filled[-ENDS:] = False
    return np.asarray(sums[filled] / counts[filled, None])


def _along(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(S, S): way through the mask's largest part from one end; infinite off that part."""
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    largest = parts == int(sizes[1:].argmax()) + 1
    costs = np.where(largest, 1.0, -1.0)
    ys, xs = np.nonzero(largest)
    start = (int(ys[0]), int(xs[0]))
    for _ in range(2):  # the pixel farthest from anywhere is an end; from there again
        ways, _paths = MCP_Geometric(costs).find_costs([start])
        reached = np.where(np.isfinite(ways), ways, -1.0)
        end = np.unravel_index(int(reached.argmax()), reached.shape)
        start = (int(end[0]), int(end[1]))
    return np.asarray(ways)


def _best_cut(profile: NDArray[np.float64]) -> tuple[int, float]:
    """Bins before the cut that explains most, and how much; 0 of a colour that steps by too little."""
    left = np.arange(1, len(profile))[:, None]
    sums = profile.cumsum(axis=0)
    total = sums[-1]
    constant = total**2 / len(profile)
    between = sums[:-1] ** 2 / left + (total - sums[:-1]) ** 2 / (len(profile) - left) - constant
    whole = np.maximum((profile**2).sum(axis=0) - constant, 1e-9)
    share = (between / whole)[MIN_SIDE - 1 : len(profile) - MIN_SIDE]
    best: tuple[int, float] = (MIN_SIDE, 0.0)
    for channel, place in enumerate(share.argmax(axis=0)):
        cut = int(place) + MIN_SIDE
        sides = _sides(profile, cut)[:, channel]
        if abs(sides[0] - sides[1]) >= MIN_STEP and share[place, channel] > best[1]:
            best = (cut, float(share[place, channel]))
    return best


def _sides(profile: NDArray[np.float64], cut: int) -> NDArray[np.float64]:
    """(2 sides, 2): median red and green before and after a cut."""
    return np.stack([np.median(profile[:cut], axis=0), np.median(profile[cut:], axis=0)])


def _colours_beside(sides: NDArray[np.float64]) -> NDArray[np.int64]:
    """(2,) colours of the sides of a junction: what steps there is on at its brighter side."""
    stepping = np.abs(sides[0] - sides[1]) >= MIN_STEP
    on = np.where(stepping, sides > sides.mean(axis=0), sides.mean(axis=0) >= ON_LEVEL)
    return np.asarray(on[:, _RED] + 2 * on[:, _GREEN], np.int64)


def _colours_of(profile: NDArray[np.float64]) -> int:
    """Read the one colour of a uniform chromosome."""
    on = np.median(profile, axis=0) >= ON_LEVEL
    return int(on[_RED]) + 2 * int(on[_GREEN])
