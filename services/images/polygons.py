"""Instances as polygons whose vertices are pixel corners: exact, with holes, without smoothing.

Pixel (row r, column c) covers the square from (x, y) = (c, r) to (c + 1, r + 1). A polygon filled at
pixel centres gives back exactly the pixels that it was traced from.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Vertex = tuple[int, int]
Edge = tuple[Vertex, Vertex]


@dataclass(frozen=True, slots=True)
class Polygon:
    """One connected part of an instance.

    Attributes
    ----------
    exterior
        Closed ring of (x, y) pixel corners; its first and last vertex are the same. Counter-clockwise by
        the numbers, which on a screen with y pointing down looks clockwise.
    holes
        Closed rings the other way round.
    """

    exterior: tuple[Vertex, ...]
    holes: tuple[tuple[Vertex, ...], ...] = ()


def instance_polygons(masks: NDArray[np.integer[Any]]) -> Iterator[tuple[int, int, tuple[Polygon, ...]]]:
    """Trace every instance of a label image.

    Parameters
    ----------
    masks : (H, W) integer
        Label image, 0 background.

    Yields
    ------
    label, area_px, polygons
        In ascending order of labels. Pixels that share only a corner belong to different polygons.
    """
    labels = np.unique(masks)
    # Numbered from 1 without gaps, so that a label of two billion does not make as many list entries.
    numbered = np.searchsorted(labels, masks).astype(np.int32) + np.int32(1)
    for number, (label, window) in enumerate(
        zip(labels.tolist(), ndimage.find_objects(numbered), strict=True), start=1
    ):
        if label == 0 or window is None:
            continue
        instance = numbered[window] == number
        polygons = tuple(_trace_parts(instance, window[0].start, window[1].start))
        yield label, int(np.count_nonzero(instance)), polygons


def _trace_parts(instance: NDArray[np.bool_], y0: int, x0: int) -> Iterator[Polygon]:
    """One polygon per 4-connected part, so that no ring touches itself."""
    parts, count = ndimage.label(instance)
    for part in range(1, count + 1):
        rings = [_moved(ring, y0, x0) for ring in _trace_rings(parts == part)]
        rings.sort(key=_signed_area, reverse=True)
        # Exactly one ring runs forward around a connected part; all others are its holes.
        yield Polygon(rings[0], tuple(rings[1:]))


def _trace_rings(part: NDArray[np.bool_]) -> Iterator[list[Vertex]]:
    """Follow the edges between inside and outside, keeping the inside on the right hand."""
    ways = _edges(part)
    unused = dict.fromkeys((at, direction) for at, leaving in ways.items() for direction in leaving)
    while unused:
        edge = next(iter(unused))
        ring: list[Edge] = []
        while edge in unused:
            del unused[edge]
            ring.append(edge)
            edge = _following(edge, ways)
        yield _corners(ring)


def _following(edge: Edge, ways: dict[Vertex, list[Vertex]]) -> Edge:
    """The next edge of a ring. Where two pixels meet at a corner, the turn to the left keeps both inside."""
    (x, y), (dx, dy) = edge
    at = (x + dx, y + dy)
    leaving = ways[at]
    return (at, leaving[0] if len(leaving) == 1 else (dy, -dx))


def _corners(ring: list[Edge]) -> list[Vertex]:
    """The closed ring without the vertices that lie on straight runs."""
    kept = [at for (at, way), (_, before) in zip(ring, [ring[-1], *ring[:-1]], strict=True) if way != before]
    return [*kept, kept[0]]


def _moved(ring: list[Vertex], y0: int, x0: int) -> tuple[Vertex, ...]:
    return tuple((x + x0, y + y0) for x, y in ring)


def _signed_area(ring: tuple[Vertex, ...]) -> int:
    """Twice the area that a closed ring encloses; negative for holes."""
    return sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in itertools.pairwise(ring))


def _edges(part: NDArray[np.bool_]) -> dict[Vertex, list[Vertex]]:
    """Directions that leave each pixel corner along the boundary; two where pixels meet at a corner."""
    padded = np.pad(part, 1)
    inside = padded[1:-1, 1:-1]
    ways: dict[Vertex, list[Vertex]] = {}
    for outside, (start_x, start_y), direction in (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),
        (padded[1:-1, 2:], (1, 0), (0, 1)),
        (padded[2:, 1:-1], (1, 1), (-1, 0)),
        (padded[1:-1, :-2], (0, 1), (0, -1)),
    ):
        for row, column in np.argwhere(inside & ~outside).tolist():
            ways.setdefault((column + start_x, row + start_y), []).append(direction)
    return ways
