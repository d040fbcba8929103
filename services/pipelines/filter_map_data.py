"""What a map of a filter shows: series of crops, how dense they lie, and which of them have a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.measure import find_contours

from models.filtering.mixture import Mixture
from models.filtering.scores import FilterScores

SeriesKind = Literal["normal", "aberration", "candidate"]

CONTOUR_SHARES: Final = (0.5, 0.75, 0.95)
"""Shares of a series that its contours enclose, from the densest place on."""
MIN_FOR_CONTOURS: Final = 20
MAX_THUMBNAILS: Final = 400

_CELLS = 160
_MARGIN = 0.05
_SMOOTHING = 0.45  # of Scott's rule, which takes one cloud for granted where a map has several
_NEAR_BORDER = 0.5  # share of the pictures that lie next to the level


@dataclass(frozen=True)
class Thumbnails:
    """Pictures of some crops of a series.

    Attributes
    ----------
    rows : (T,) int64
        Which crops of the series, ascending.
    pixels : (T, S, S, 3) uint8
        Red, green, blue.
    """

    rows: NDArray[np.int64]
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Series:
    """N crops that are counted, drawn and switched on and off together.

    Attributes
    ----------
    kind
        Real crops that the filter was fitted on, or the candidates that it decides on.
    ids : (N,)
        Names of the crops; empty where they have none.
    """

    name: str
    kind: SeriesKind
    scores: FilterScores
    ids: Sequence[str] = ()
    thumbnails: Thumbnails | None = None

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self.scores.needed_level)


@dataclass(frozen=True)
class MapData:
    """All that `filter_map_page.page` and `filter_pictures.plot` need.

    Attributes
    ----------
    level, max_percentile
        Where the filter's sliders stand; None switches the second gate off.
    mixture
        Whose dominant component is the filter; None for a rule that has no ellipse.
    """

    title: str
    subtitle: str
    level: float
    max_percentile: float | None
    series: Sequence[Series]
    mixture: Mixture | None


@dataclass(frozen=True)
class View:
    """The part of the plane that a map shows, in the projection's units."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Contour:
    """One closed or open line around the densest places of a series.

    Attributes
    ----------
    share
        How much of the series lies inside of all lines with this share.
    points : (P, 2) float64
    """

    share: float
    points: NDArray[np.float64]


def view_of(data: MapData) -> View:
    """Return the smallest view with every crop and the ellipses at the filter's level, and a margin."""
    shown = [one.scores.coordinates.astype(np.float64) for one in data.series if len(one)]
    if data.mixture is not None and 0.0 < data.level < 1.0:
        components = range(len(data.mixture.weights))
        shown += [data.mixture.outline(data.level, component) for component in components]
    points = np.concatenate(shown) if shown else np.zeros((1, 2))
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.maximum((high - low) * _MARGIN, 1e-3)
    (x0, y0), (x1, y1) = (low - margin).tolist(), (high + margin).tolist()
    return View(x0, y0, x1, y1)


def contours_of(coordinates: NDArray[np.float32], view: View) -> list[Contour]:
    """Draw lines around the densest half, three quarters and 95 % of some points.

    Parameters
    ----------
    coordinates : (N, 2)
        Fewer than 20 have no contours.

    Returns
    -------
    list of Contour
        From the outermost share to the innermost.
    """
    if len(coordinates) < MIN_FOR_CONTOURS:
        return []
    extent = np.array([[view.x0, view.x1], [view.y0, view.y1]])
    cell = np.diff(extent, axis=1)[:, 0] / _CELLS
    counts = np.histogram2d(coordinates[:, 0], coordinates[:, 1], bins=_CELLS, range=extent)[0]
    width = coordinates.astype(np.float64).std(axis=0) * len(coordinates) ** (-1 / 6) * _SMOOTHING
    # A cell's own density must not vanish where all points are one.
    smooth = gaussian_filter(counts, np.maximum(width / cell, 1.0), mode="constant")
    ranked = np.sort(smooth, axis=None)[::-1]
    inside = np.cumsum(ranked) / ranked.sum()
    found = []
    for share in reversed(CONTOUR_SHARES):
        threshold = ranked[min(int(np.searchsorted(inside, share)), ranked.size - 1)]
        # Rows of the histogram are x; a cell's value stands for its middle.
        lines = find_contours(np.pad(smooth, 1), threshold)
        found += [Contour(share, extent[:, 0] + (line - 0.5) * cell) for line in lines]
    return found


def thumbnail_rows(
    needed_level: NDArray[np.float64], level: float, limit: int = MAX_THUMBNAILS
) -> NDArray[np.int64]:
    """Choose whose pictures are shown: half next to the level on its two sides, half from everywhere.

    Parameters
    ----------
    needed_level : (N,)

    Returns
    -------
    (min(N, limit),) int64
        Rows, ascending; the same for the same numbers.
    """
    count = len(needed_level)
    if count <= limit:
        return np.arange(count, dtype=np.int64)
    order = np.argsort(needed_level, kind="stable")
    border = int(np.searchsorted(needed_level[order], level, side="right"))
    near = int(limit * _NEAR_BORDER)
    start = min(max(border - near // 2, 0), count - near)
    others = np.delete(order, np.s_[start : start + near])
    spread = others[np.linspace(0, len(others) - 1, limit - near).round().astype(np.int64)]
    return np.sort(np.concatenate([order[start : start + near], spread])).astype(np.int64)
