"""The list of crops as one statement: filters, orders and the places of cursors.

Without a classifier, predictions are read from the crop's own row, where the newest is mirrored, and
indexes on (sample | job, probability, id) give the most suspicious ones without sorting. With a
classifier they come from its own predictions. Verdicts of filters are read from their scores, one for
each crop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, aliased

from services.crops.types import CropFilter, CropSort
from services.db.tables import CropRow, DatasetItemRow, FilterScoreRow, PredictionRow
from services.errors import InvalidInputError
from services.filtering.repository import kept_at

_SEPARATOR = ":"


@dataclass(frozen=True)
class _Said:
    """The columns that a prediction is read from, and the id beside them in the index."""

    predicted_class: InstrumentedAttribute[Any]
    probability: InstrumentedAttribute[Any]
    crop_id: InstrumentedAttribute[str]


def listing(wanted: CropFilter, after: str | None) -> Select[CropRow, float | None]:
    """Build the query for crops and the probability that they are sorted by.

    Parameters
    ----------
    after
        `cursor_of` the last crop already seen.

    Raises
    ------
    InvalidInputError
        `after` belongs to another order.
    """
    if wanted.classifier is None:
        said = _Said(CropRow.predicted_class, CropRow.probability, CropRow.id)
        query = select(CropRow, said.probability)
    else:
        one, newer = PredictionRow, aliased(PredictionRow)
        said = _Said(one.predicted_class, one.probability, one.crop_id)
        replaced = exists().where(
            newer.crop_id == one.crop_id, newer.classifier == one.classifier, newer.job_id > one.job_id
        )
        query = (
            select(CropRow, said.probability)
            .join(one, one.crop_id == CropRow.id)
            .where(one.classifier == wanted.classifier, ~replaced)
        )
    query = _filtered(query.where(*_conditions(wanted, said)), wanted)
    return _ordered(query, wanted.sort, said, after)


def cursor_of(sort: CropSort, crop_id: str, probability: float | None) -> str:
    """Return the place of a crop in a list of this order."""
    return crop_id if sort == "id" else f"{sort}{_SEPARATOR}{probability!r}{_SEPARATOR}{crop_id}"


def _conditions(wanted: CropFilter, said: _Said) -> list[ColumnElement[bool]]:
    pairs = (
        (CropRow.image_id, wanted.image_id),
        (CropRow.job_id, wanted.job_id),
        (CropRow.sample, wanted.sample),
        (CropRow.origin, wanted.origin),
        (CropRow.source_crop_id, wanted.source_crop_id),
        (said.predicted_class, wanted.predicted_class),
    )
    conditions: list[ColumnElement[bool]] = [column == value for column, value in pairs if value is not None]
    if wanted.crop_class is not None:
        conditions.append(func.coalesce(CropRow.crop_class, said.predicted_class) == wanted.crop_class)
    if wanted.min_probability is not None:
        conditions.append(said.probability >= wanted.min_probability)
    if wanted.max_probability is not None:
        conditions.append(said.probability <= wanted.max_probability)
    if wanted.annotated is not None:
        unsaid = CropRow.crop_class.is_(None)
        conditions.append(~unsaid if wanted.annotated else unsaid)
    if wanted.dataset is not None:
        name, version = wanted.dataset
        item = DatasetItemRow
        conditions.append(
            exists().where(
                item.crop_id == CropRow.id, item.dataset_name == name, item.dataset_version == version
            )
        )
    return conditions


def _filtered(query: Select[CropRow, float | None], wanted: CropFilter) -> Select[CropRow, float | None]:
    """Join the one score of each crop that its verdict is read from, where a filter or verdict is asked for.

    Of two scores the newer one is that of the job with the greater id, as for predictions.
    """
    if wanted.filter is None and wanted.filtered_by is None and wanted.kept is None:
        return query
    score, newer = FilterScoreRow, aliased(FilterScoreRow)
    query = query.join(score, score.crop_id == CropRow.id)
    replaced = exists().where(newer.crop_id == score.crop_id, newer.job_id > score.job_id)
    if wanted.filter is not None:
        query = query.where(score.filter == wanted.filter)
        replaced = replaced.where(newer.filter == score.filter)
    if wanted.filtered_by is not None:
        query = query.where(score.job_id == wanted.filtered_by)
    else:
        query = query.where(~replaced)
    if wanted.kept is None:
        return query
    decision = wanted.decision
    kept = score.kept if decision is None else kept_at(decision.level, decision.max_percentile)
    return query.where(kept if wanted.kept else ~kept)


def _ordered(
    query: Select[CropRow, float | None], sort: CropSort, said: _Said, after: str | None
) -> Select[CropRow, float | None]:
    if sort == "id":
        query = query if after is None else query.where(CropRow.id > after)
        return query.order_by(CropRow.id)
    query = query.where(said.probability.is_not(None))
    # Ids break ties in the direction of the probability, so that one index serves both orders.
    place = tuple_(said.probability, said.crop_id)
    if sort == "probability":
        query = query if after is None else query.where(place > _place(sort, after))
        return query.order_by(said.probability, said.crop_id)
    query = query if after is None else query.where(place < _place(sort, after))
    return query.order_by(said.probability.desc(), said.crop_id.desc())


def _place(sort: CropSort, after: str) -> tuple[float, str]:
    of_sort, _, rest = after.partition(_SEPARATOR)
    number, _, crop_id = rest.partition(_SEPARATOR)
    try:
        probability = float(number)
    except ValueError:
        probability = math.nan
    if of_sort != sort or not math.isfinite(probability) or not crop_id:
        raise InvalidInputError("The cursor belongs to another list.", "cursor")
    return probability, crop_id
