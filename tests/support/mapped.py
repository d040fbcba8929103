"""Maps of filters on crops that were drawn at random, without a network or a job."""

from __future__ import annotations

import numpy as np

from models.filtering.mixture import Mixture, level_of
from models.filtering.scores import FilterScores
from services.pipelines.filter_map_data import MapData, Series, SeriesKind, Thumbnails, thumbnail_rows

MIXTURE = Mixture(
    np.array([0.7, 0.3]),
    np.array([[3.0, 1.0], [-2.0, 0.5]]),
    np.array([[[1.0, 0.4], [0.4, 0.6]], [[0.8, 0.0], [0.0, 0.8]]]),
)
# A level that no slider stops at and no float32 holds.
LEVEL = 0.6132890934


def scores_at(centre: tuple[float, float], count: int, seed: int, *, spread: float = 1.0) -> FilterScores:
    """Scores of crops around a place of the map, some of them beyond any of the training crops."""
    rng = np.random.default_rng(seed)
    places = (rng.normal(size=(count, 2)) * spread + centre).astype(np.float32)
    squared = MIXTURE.mahalanobis2(places, MIXTURE.dominant)
    percentiles = np.minimum(rng.random(count) * 110.0, 100.0)
    component = MIXTURE.component_of(places)
    return FilterScores(places, component, squared, level_of(squared), np.ones(count), percentiles)


def series_at(
    name: str, kind: SeriesKind, scores: FilterScores, *, pictures: int = 0, side: int = 16
) -> Series:
    """A series whose pictures are squares, each of its own shade."""
    if not pictures:
        return Series(name, kind, scores)
    rows = thumbnail_rows(scores.needed_level, LEVEL, pictures)
    shades = np.arange(40, 40 + len(rows), dtype=np.uint8)[:, None, None, None]
    pixels = np.broadcast_to(shades, (len(rows), side, side, 3))
    ids = [f"{kind}_{row:04d}" for row in range(len(scores))]
    return Series(name, kind, scores, ids, Thumbnails(rows, np.ascontiguousarray(pixels)))


def map_data(
    *, candidates: int = 400, mixture: Mixture | None = MIXTURE, max_percentile: float | None = None
) -> MapData:
    """A map of 300 normal and 80 aberrant crops, and of candidates if there are any."""
    series = [
        series_at("real normal", "normal", scores_at((-2.0, 0.0), 300, 0)),
        series_at("real aberration", "aberration", scores_at((3.0, 1.0), 80, 1), pictures=20),
    ]
    if candidates:
        found = scores_at((2.0, 0.5), candidates, 2, spread=1.8)
        series.append(series_at("synthetic", "candidate", found, pictures=60))
    return MapData("Filter t/1", "drawn at random", LEVEL, max_percentile, series, mixture)
