"""The only place that builds queries about filter scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, and_, cast, func, insert, select, tuple_, update
from sqlalchemy.orm import Session

from services.db.tables import CropRow, DatasetItemRow, FilterScoreRow, JobRow, SyntheticCropRow
from services.filtering.types import ExportRow, FilterCounts, FilterScore, KeptCount, NewFilterScore

UNLABELLED: Final = "unlabelled"
ROWS_PER_FETCH: Final = 2048
EXPORT_COLUMNS: Final = (
    *("crop_id", "origin", "image_id", "sample", "source_crop_id", "generator"),
    *("filter", "x", "y", "component", "mahalanobis2", "needed_level"),
    *("knn_distance", "knn_percentile", "kept", "annotated_class", "at"),
)
"""Cells of a line of an export, in their order."""


class FilterScoreRepository:
    """Filter scores through one session; flushes, never commits.

    A crop is kept where its `needed_level` is at most the level and, if there is a second gate, its
    `knn_percentile` is at most that. Both are stored as they were computed, in double precision, so the
    database decides exactly as the filter itself does.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, job_id: str, filter_ref: str, position: int, new: Sequence[NewFilterScore]) -> None:
        """Record the scores of an item's crops.

        Parameters
        ----------
        filter_ref
            An exact ``name/version``.
        position
            The job's item.
        """
        rows = [
            {
                "crop_id": one.crop_id,
                "job_id": job_id,
                "filter": filter_ref,
                "x": one.x,
                "y": one.y,
                "component": one.component,
                "mahalanobis2": one.mahalanobis2,
                "needed_level": one.needed_level,
                "knn_distance": one.knn_distance,
                "knn_percentile": one.knn_percentile,
                "kept": one.kept,
                "item_position": position,
            }
            for one in new
        ]
        if rows:
            self._session.execute(insert(FilterScoreRow), rows)

    def counts(
        self, job_id: str, level: float | None = None, max_percentile: float | None = None
    ) -> FilterCounts:
        """Count a job's crops before and after filtering, in one statement.

        Parameters
        ----------
        level, max_percentile
            Count as if the job had been decided like this; without a level, as it is decided now.
        """
        row, crop, job, item = FilterScoreRow, CropRow, JobRow, DatasetItemRow
        kept = row.kept if level is None else kept_at(level, max_percentile)
        dataset = job.inputs["dataset"].astext
        labelled = and_(
            item.crop_id == row.crop_id,
            item.dataset_name == func.split_part(dataset, "/", 1),
            item.dataset_version == cast(func.nullif(func.split_part(dataset, "/", 2), ""), Integer),
        )
        label = func.coalesce(item.item_class, crop.crop_class, UNLABELLED)
        query = (
            select(crop.origin, label, func.count(), func.count().filter(kept))
            .select_from(row)
            .join(job, job.id == row.job_id)
            .join(crop, crop.id == row.crop_id)
            .outerjoin(item, labelled)
            .where(row.job_id == job_id)
            .group_by(crop.origin, label)
            .order_by(crop.origin, label)
        )
        return _counts([tuple(found) for found in self._session.execute(query)])

    def redecide(self, job_id: str, level: float, max_percentile: float | None = None) -> int:
        """Decide anew, by one statement, which crops of a job are kept; returns how many were decided.

        The caller sees to it that the job has ended, and tells the level in its result.
        """
        decided = self._session.execute(
            update(FilterScoreRow)
            .where(FilterScoreRow.job_id == job_id)
            .values(kept=kept_at(level, max_percentile))
            .execution_options(synchronize_session=False)
        )
        return int(decided.rowcount)  # type: ignore[attr-defined] # an update's result has it

    def of_crops(self, crop_ids: Sequence[str]) -> dict[str, tuple[FilterScore, ...]]:
        """All filter scores of some crops, newest last; a crop without any is missing."""
        found: dict[str, list[FilterScore]] = defaultdict(list)
        if crop_ids:
            row = FilterScoreRow
            query = select(row).where(row.crop_id.in_(crop_ids)).order_by(row.job_id)
            for one in self._session.scalars(query):
                found[one.crop_id].append(_score(one))
        return {crop_id: tuple(scores) for crop_id, scores in found.items()}

    def export_page(
        self, job_id: str, after: tuple[int, str] | None, limit: int = ROWS_PER_FETCH
    ) -> list[ExportRow]:
        """Some lines of a job's export, by item and crop id, after the place that `after` names."""
        row, crop, made = FilterScoreRow, CropRow, SyntheticCropRow
        origin = (crop.id, crop.origin, crop.image_id, crop.sample, crop.source_crop_id, made.generator)
        score = (row.filter, row.x, row.y, row.component, row.mahalanobis2, row.needed_level)
        gate = (row.knn_distance, row.knn_percentile, row.kept, crop.crop_class, row.created_at)
        query = (
            select(row.item_position, *origin, *score, *gate)
            .select_from(row)
            .join(crop, crop.id == row.crop_id)
            .outerjoin(made, made.crop_id == row.crop_id)
            .where(row.job_id == job_id)
            .order_by(row.item_position, row.crop_id)
            .limit(limit)
        )
        if after is not None:
            query = query.where(tuple_(row.item_position, row.crop_id) > after)
        return [
            ExportRow((position, cells[0]), dict(zip(EXPORT_COLUMNS, cells, strict=True)))
            for position, *cells in self._session.execute(query)
        ]


def kept_at(level: float, max_percentile: float | None) -> ColumnElement[bool]:
    """Whether a `FilterScoreRow` is kept at a level and a gate; None is no gate."""
    within = FilterScoreRow.needed_level <= level
    return within if max_percentile is None else within & (FilterScoreRow.knn_percentile <= max_percentile)


def _counts(groups: Sequence[tuple[Any, ...]]) -> FilterCounts:
    """Sum up groups of (origin, class, before, after)."""
    by_origin: dict[str, KeptCount] = {}
    by_class: dict[str, KeptCount] = {}
    for origin, label, before, after in groups:
        by_origin[origin] = _plus(by_origin.get(origin), before, after)
        by_class[label] = _plus(by_class.get(label), before, after)
    return FilterCounts(
        before=sum(before for _, _, before, _ in groups),
        after=sum(after for _, _, _, after in groups),
        by_origin=by_origin,
        by_class=by_class,
    )


def _plus(count: KeptCount | None, before: int, after: int) -> KeptCount:
    return (
        KeptCount(before, after) if count is None else KeptCount(count.before + before, count.after + after)
    )


def _score(row: FilterScoreRow) -> FilterScore:
    return FilterScore(
        crop_id=row.crop_id,
        x=row.x,
        y=row.y,
        component=row.component,
        mahalanobis2=row.mahalanobis2,
        needed_level=row.needed_level,
        knn_distance=row.knn_distance,
        knn_percentile=row.knn_percentile,
        kept=row.kept,
        filter=row.filter,
        job_id=row.job_id,
        at=row.created_at,
    )
