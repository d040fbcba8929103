"""The only place that builds queries about crops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.crops.queries import cursor_of, listing
from services.crops.types import Annotation, Crop, CropFilter, PackedCrop
from services.db.tables import CropAnnotationRow, CropRow, ImageRow, SyntheticCropRow
from services.errors import NotFoundError
from services.filtering.repository import FilterScoreRepository
from services.filtering.types import FilterScore
from services.generation.repository import SyntheticRepository
from services.generation.types import Synthetic
from services.pagination import Page, PageRequest, make_page
from services.predictions.repository import PredictionRepository
from services.predictions.types import Prediction

IMPORTED_CHANNELS: Final = ("red", "green", "dapi")
MAX_NAMED_IN_ERROR: Final = 10


class CropRepository:
    """Crops with their annotations and predictions, through one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Insert crops; one that a previous attempt recorded already stays as it is."""
        if rows:
            self._session.execute(insert(CropRow).on_conflict_do_nothing(), list(rows))

    def get(self, crop_id: str) -> Crop | None:
        """One crop with all that was said of it, or None."""
        row = self._session.get(CropRow, crop_id)
        return None if row is None else self._whole([row])[0]

    def list_page(self, wanted: CropFilter, page: PageRequest) -> Page[Crop]:
        """Crops in the order in which they were made, or by probability.

        Raises
        ------
        InvalidInputError
            The cursor belongs to another order.
        """
        found = self._session.execute(listing(wanted, page.after).limit(page.limit + 1)).all()
        keys = {row.id: cursor_of(wanted.sort, row.id, probability) for row, probability in found}
        crops = self._whole([row for row, _ in found])
        return make_page(crops, page.limit, lambda crop: keys[crop.id])

    def packed(self, crop_ids: Sequence[str]) -> list[PackedCrop]:
        """Where the pixels of some crops lie, in this order.

        Raises
        ------
        NotFoundError
            It names the missing ones.
        """
        row = CropRow
        query = (
            select(
                row.id,
                row.pack_key,
                row.pack_index,
                row.origin,
                ImageRow.channels,
                SyntheticCropRow.canvas_scale,
            )
            .outerjoin(ImageRow, ImageRow.id == row.image_id)
            .outerjoin(SyntheticCropRow, SyntheticCropRow.crop_id == row.id)
            .where(row.id.in_(crop_ids))
        )
        found = {
            crop_id: PackedCrop(
                crop_id, key, index, origin != "segmented", tuple(channels or IMPORTED_CHANNELS), scale
            )
            for crop_id, key, index, origin, channels, scale in self._session.execute(query)
        }
        missing = [crop_id for crop_id in crop_ids if crop_id not in found]
        if missing:
            raise NotFoundError("crop", ", ".join(missing[:MAX_NAMED_IN_ERROR]))
        return [found[crop_id] for crop_id in crop_ids]

    def _whole(self, rows: Sequence[CropRow]) -> list[Crop]:
        """Map rows, with one query each for all annotations, predictions, filter scores and makings."""
        ids = [row.id for row in rows]
        annotations: dict[str, list[Annotation]] = defaultdict(list)
        query = (
            select(CropAnnotationRow).where(CropAnnotationRow.crop_id.in_(ids)).order_by(CropAnnotationRow.id)
        )
        for found in self._session.scalars(query) if rows else ():
            annotations[found.crop_id].append(
                Annotation(found.annotation_class, found.annotator, found.created_at)
            )
        predictions = PredictionRepository(self._session).of_crops(ids)
        scores = FilterScoreRepository(self._session).of_crops(ids)
        made = SyntheticRepository(self._session).of_crops(
            [row.id for row in rows if row.origin == "generated"]
        )
        return [
            _crop(
                row,
                tuple(annotations[row.id]),
                predictions.get(row.id, ()),
                scores.get(row.id, ()),
                made.get(row.id),
            )
            for row in rows
        ]


def _crop(
    row: CropRow,
    annotations: tuple[Annotation, ...],
    predictions: tuple[Prediction, ...],
    filter_scores: tuple[FilterScore, ...],
    synthetic: Synthetic | None,
) -> Crop:
    y0, x0, y1, x1 = row.bbox
    return Crop(
        id=row.id,
        origin=row.origin,
        image_id=row.image_id,
        sample=row.sample,
        job_id=row.job_id,
        source_crop_id=row.source_crop_id,
        pack_key=row.pack_key,
        pack_index=row.pack_index,
        label=row.label,
        bbox=(y0, x0, y1, x1),
        area_px=row.area_px,
        orientation_deg=row.orientation_deg,
        length_px=row.length_px,
        width_px=row.width_px,
        flags=tuple(row.flags),
        crop_class=row.crop_class,
        created_at=row.created_at,
        predicted_class=row.predicted_class,
        probability=row.probability,
        annotations=annotations,
        predictions=predictions,
        filter_scores=filter_scores,
        synthetic=synthetic,
    )
