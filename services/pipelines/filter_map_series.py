"""The series of a filter's map: real crops, a job's crops, and the pictures of some of them."""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.classification.preprocessing import Preprocessing
from models.filtering.elementwise import row_means, share_below
from models.filtering.filter import MAX_PERCENTILE, Filter
from models.filtering.scores import NO_COMPONENT, FilterScores
from models.quality.stopping import Check, never_stop
from models.segmentation.crops import CropPack
from services.crops.canvases import canvases_of_crops, rows_by_pack
from services.crops.repository import CropRepository
from services.filtering.repository import UNLABELLED, FilterScoreRepository
from services.pipelines.filter_map_data import (
    MAX_THUMBNAILS,
    Series,
    SeriesKind,
    Thumbnails,
    thumbnail_rows,
)
from services.pipelines.resources import Resources

SYNTHETIC: Final = "synthetic"


@dataclass(frozen=True)
class Sight:
    """How crops are made visible.

    Attributes
    ----------
    preprocessing
        Of the filter's classifier: a picture shows what the classifier saw.
    check
        Called between packs; may raise to stop.
    threads
        That score real crops; the scores do not depend on it.
    """

    resources: Resources
    preprocessing: Preprocessing
    check: Callable[[], None]
    threads: int = 1


def training_scores(found: Filter, *, threads: int = 1, check: Check = never_stop) -> FilterScores:
    """Score the training rows as if each were new: it is placed on the map without itself as neighbour.

    Only the place and the distance are out of sample. A rule that looks at the embedding itself has seen the
    row, so that its needed level is a little low.
    """
    manifold = found.manifold
    rows, itself = manifold.embeddings, np.arange(len(manifold.embeddings))
    projected = manifold.project(rows, excluded=itself, threads=threads, check=check)
    judged = found.rule.judge(rows, projected.coordinates, threads=threads, check=check)
    distance = row_means(projected.distances)
    percentile = MAX_PERCENTILE * share_below(found.own_distances, distance)
    return FilterScores(
        projected.coordinates,
        judged.component,
        judged.mahalanobis2,
        judged.needed_level,
        distance,
        percentile,
    )


def real_series(
    origin: str, scores: FilterScores, is_aberration: NDArray[np.bool_], crop_ids: Sequence[str] = ()
) -> list[Series]:
    """Both classes of real crops, normal ones first; a class without crops is left out.

    Parameters
    ----------
    origin
        Begins the names of the series.
    is_aberration : (N,) bool
    crop_ids : (N,)
        Or none, where nobody knows them any more.
    """
    series = []
    classes: tuple[tuple[SeriesKind, NDArray[np.bool_]], ...] = (
        ("normal", ~is_aberration),
        ("aberration", is_aberration),
    )
    for kind, members in classes:
        rows = np.flatnonzero(members)
        if len(rows):
            ids = [crop_ids[row] for row in rows.tolist()] if crop_ids else ()
            series.append(Series(f"{origin} {kind}", kind, _taken(scores, rows), ids))
    return series


def candidates_of(job_id: str, sight: Sight) -> list[Series]:
    """The crops of a job: synthetic ones, and others by what people say of them."""
    groups: dict[str, _Columns] = defaultdict(_Columns)
    after = None
    while True:
        sight.check()
        with sight.resources.session_factory() as session:
            rows = FilterScoreRepository(session).export_page(job_id, after)
        if not rows:
            break
        for row in rows:
            told = f"{row.cells['annotated_class'] or UNLABELLED}, of this job"
            groups[SYNTHETIC if row.cells["origin"] == "generated" else told].append(row.cells)
        after = rows[-1].place
    return [
        Series(name, "candidate", columns.scores(), columns.crop_ids)
        for name, columns in sorted(groups.items())
    ]


class _Columns:
    """Scores on their way from rows to arrays, eight bytes a number: a job may have very many crops."""

    _NAMES = ("x", "y", "component", "mahalanobis2", "needed_level", "knn_distance", "knn_percentile")

    def __init__(self) -> None:
        self.crop_ids: list[str] = []
        self._numbers = array("d")

    def append(self, cells: Mapping[str, Any]) -> None:
        """Add a crop; what its rule does not know is NaN for now."""
        self.crop_ids.append(cells["crop_id"])
        self._numbers.extend(math.nan if cells[name] is None else cells[name] for name in self._NAMES)

    def scores(self) -> FilterScores:
        """Return what was added."""
        table = np.array(self._numbers).reshape(-1, len(self._NAMES))
        component, mahalanobis2, needed_level, distance, percentile = np.ascontiguousarray(table[:, 2:].T)
        return FilterScores(
            coordinates=table[:, :2].astype(np.float32),
            component=np.nan_to_num(component, nan=NO_COMPONENT).astype(np.int32),
            mahalanobis2=mahalanobis2,
            needed_level=needed_level,
            knn_distance=distance,
            knn_percentile=percentile,
        )


def pictured(series: Sequence[Series], level: float, sight: Sight) -> list[Series]:
    """Give every series its share of the pictures; raises if a crop or its pack is gone or damaged."""
    chosen = [thumbnail_rows(one.scores.needed_level, level, MAX_THUMBNAILS // len(series)) for one in series]
    crop_ids = [one.ids[row] for one, rows in zip(series, chosen, strict=True) for row in rows.tolist()]
    pixels = _pixels(crop_ids, sight)
    ends = np.cumsum([len(rows) for rows in chosen])
    return [
        replace(one, thumbnails=Thumbnails(rows, pixels[end - len(rows) : end]))
        for one, rows, end in zip(series, chosen, ends.tolist(), strict=True)
    ]


def _taken(scores: FilterScores, rows: NDArray[np.int64]) -> FilterScores:
    return FilterScores(**{field.name: getattr(scores, field.name)[rows] for field in fields(scores)})


def _pixels(crop_ids: Sequence[str], sight: Sight) -> NDArray[np.uint8]:
    """What the classifier saw of some crops, (T, S, S, 3); each pack is read once."""
    with sight.resources.session_factory() as session:
        crops = CropRepository(session).packed(crop_ids)
    side = sight.preprocessing.canvas_px
    pixels = np.zeros((len(crops), side, side, 3), np.uint8)
    for key, rows in rows_by_pack(crops).items():
        sight.check()
        pack = CropPack.from_npz(sight.resources.store.get(key))
        canvases = canvases_of_crops(pack, [crops[row] for row in rows], sight.preprocessing)
        pixels[rows] = canvases.transpose(0, 2, 3, 1)
    return pixels
