"""Where a pixel lies along a chromosome, bent or straight, and how far beside its middle line."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import gcd

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

_BIN_PX = 2.0
_SMOOTH_PX = 4.0
_STEP_PX = 1.0
_FEWEST_BINS = 4
# Coprime steps: the eight neighbours and the chess knight's moves. With these, lengths are right within 3 %
# in any direction and slices tilt by 9 degrees at most; with the eight alone by 22, which bends the middle
# line of wide chromosomes.
_NEIGHBOURS = np.array([step for step in product(range(-2, 3), repeat=2) if gcd(*step) == 1])

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """Coordinates of a chromosome's n pixels, in the order of ``np.nonzero(mask)``.

    Attributes
    ----------
    along_px : (n,) float64
        From one end, 0, to the other, `length_px`, following the bends. Which end is 0 follows from
        the mask alone and means nothing.
    across_px : (n,) float64
        Signed distance from the middle line.
    directions : (n, 2) float64
        Unit vectors (y, x) in which `along_px` grows.
    length_px
        Of the chromosome.
    """

    along_px: _Floats
    across_px: _Floats
    directions: _Floats
    length_px: float


def axis_of(mask: NDArray[np.bool_]) -> Axis:
    """Measure a chromosome along its own middle line.

    The middle line runs through the centres of slices of equal geodesic distance. A chromosome that
    another one cuts into pieces is measured through the gap. One too round to have slices is measured
    along its principal axis.

    Parameters
    ----------
    mask : (H, W) bool

    Raises
    ------
    ValueError
        The mask is empty.
    """
    pixels = np.argwhere(mask).astype(np.float64)
    if len(pixels) == 0:
        raise ValueError("The chromosome's mask is empty: there is nothing to measure.")
    line = _middle_line(_in_one_piece(mask))
    if line is None:
        line = _principal_line(pixels)
    return _project(pixels, line)


def _in_one_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask, or its convex hull if it has several parts."""
    ys, xs = np.nonzero(mask)
    cut = np.ascontiguousarray(mask[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1], np.uint8)
    parts, _ = cv2.connectedComponents(cut, connectivity=8)
    if parts > 2:  # noqa: PLR2004 - the ground counts as one
        hull = cv2.convexHull(cv2.findNonZero(cut))
        cv2.fillConvexPoly(cut, hull, 1)
    whole = np.zeros_like(mask)
    whole[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] = cut > 0
    return whole


def _middle_line(mask: NDArray[np.bool_]) -> _Floats | None:
    """Points (K, 2), about a pixel apart, along the middle; None for a round chromosome."""
    pixels = np.argwhere(mask).astype(np.float64)
    graph = _graph(mask)
    end = int(np.argmax(dijkstra(graph, indices=0)))
    from_end = dijkstra(graph, indices=end)
    other = int(np.argmax(from_end))
    length = float(from_end[other])
    if length == 0.0:
        return None
    # Half the difference of both distances runs from 0 to the length, and its slices lie straight; those
    # of one distance alone would be arcs about the end.
    position = (length + from_end - dijkstra(graph, indices=other)) / 2.0
    # The ends sit in corners: what lies within half a width of them is left to a straight continuation.
    trim = len(pixels) / length / 2.0
    count = int((length - 2.0 * trim) / _BIN_PX)
    if count < _FEWEST_BINS:
        return None
    bins = np.floor((position - trim) / (length - 2.0 * trim) * count).astype(np.intp)
    inside = (bins >= 0) & (bins < count)
    sizes = np.bincount(bins[inside], minlength=count)
    if not sizes.all():
        return None
    centres = np.stack(
        [np.bincount(bins[inside], pixels[inside, k], minlength=count) / sizes for k in (0, 1)], axis=1
    )
    return _dense(_smooth(centres, _SMOOTH_PX / _BIN_PX))


def _graph(mask: NDArray[np.bool_]) -> csr_array:
    """Distances between neighbouring pixels of the mask, a sparse (n, n) matrix."""
    height, width = mask.shape
    count = np.count_nonzero(mask)
    # A frame as wide as a knight's move, so that no neighbour lies outside; -1 is off the mask.
    number = np.full((height + 4, width + 4), -1, np.int32)
    number[2:-2, 2:-2][mask] = np.arange(count, dtype=np.int32)
    places = np.flatnonzero(number.ravel() >= 0)
    beside = number.ravel()[places[:, None] + _NEIGHBOURS @ np.array([width + 4, 1])]
    there = beside >= 0
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    lengths = np.broadcast_to(np.hypot(*_NEIGHBOURS.T), there.shape)
    return csr_array((lengths[there], beside[there], starts), shape=(count, count))


def _smooth(points: _Floats, sigma: float) -> _Floats:
    """Smooth a line along itself; odd reflection keeps straight ends straight."""
    pad = min(len(points) - 1, int(3 * sigma) + 1)
    before = 2.0 * points[0] - points[pad:0:-1]
    after = 2.0 * points[-1] - points[-2 : -pad - 2 : -1]
    smooth = gaussian_filter1d(np.concatenate([before, points, after]), sigma, axis=0)
    return np.asarray(smooth[pad : pad + len(points)])


def _dense(points: _Floats) -> _Floats:
    """Resample a polyline about every pixel."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    arc = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0.0, arc[-1], max(int(arc[-1] / _STEP_PX), 2) + 1)
    return np.stack([np.interp(wanted, arc, points[:, k]) for k in (0, 1)], axis=1)


def _principal_line(pixels: _Floats) -> _Floats:
    """Two points, one pixel apart, on the principal axis of (n, 2) pixels."""
    centre = pixels.mean(axis=0)
    spread = (pixels - centre).T @ (pixels - centre)
    direction = np.linalg.eigh(spread).eigenvectors[:, 1]
    return np.stack([centre - direction / 2.0, centre + direction / 2.0])


def _project(pixels: _Floats, line: _Floats) -> Axis:
    """Measure (n, 2) pixels along and across a polyline, continued straight at its ends."""
    tangents = np.gradient(line, axis=0)
    tangents /= np.maximum(np.hypot(*tangents.T)[:, None], 1e-9)
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    squared = (pixels[:, :1] - line[:, 0]) ** 2 + (pixels[:, 1:] - line[:, 1]) ** 2
    nearest = np.argmin(squared, axis=1)
    offset = pixels - line[nearest]
    tangent = tangents[nearest]
    along = arc[nearest] + (offset * tangent).sum(axis=1)
    across = offset[:, 1] * tangent[:, 0] - offset[:, 0] * tangent[:, 1]
    along -= along.min()
    return Axis(along, across, tangent, float(along.max()))
