"""The only place that builds queries about crops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.crops.types import Annotation, Crop, CropFilter
from services.db.tables import CropAnnotationRow, CropRow
from services.ids import new_id
from services.pagination import Page, PageRequest, make_page


class CropRepository:
    """Crops and their annotations, through one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Insert crops; one that a previous attempt recorded already stays as it is."""
        if rows:
            self._session.execute(insert(CropRow).on_conflict_do_nothing(), list(rows))

    def get(self, crop_id: str) -> Crop | None:
        """One crop with its annotations, or None."""
        row = self._session.get(CropRow, crop_id)
        return None if row is None else self._with_annotations([row])[0]

    def list_page(self, wanted: CropFilter, page: PageRequest) -> Page[Crop]:
        """Crops in the order in which they were made."""
        query = select(CropRow).order_by(CropRow.id).limit(page.limit + 1)
        conditions = (
            (CropRow.image_id, wanted.image_id),
            (CropRow.job_id, wanted.job_id),
            (CropRow.sample, wanted.sample),
            (CropRow.origin, wanted.origin),
            (CropRow.crop_class, wanted.crop_class),
        )
        for column, value in conditions:
            if value is not None:
                query = query.where(column == value)
        if page.after is not None:
            query = query.where(CropRow.id > page.after)
        crops = self._with_annotations(list(self._session.scalars(query)))
        return make_page(crops, page.limit, lambda crop: crop.id)

    def annotate(self, crop_id: str, crop_class: str, annotator: str) -> None:
        """Add a verdict; the newest counts, and none is ever removed."""
        self._session.execute(
            insert(CropAnnotationRow).values(
                id=new_id("ann"), crop_id=crop_id, annotation_class=crop_class, annotator=annotator
            )
        )
        row = self._session.get_one(CropRow, crop_id, with_for_update=True)
        row.crop_class = crop_class
        self._session.flush()

    def _with_annotations(self, rows: Sequence[CropRow]) -> list[Crop]:
        """Map rows, with one query for the annotations of all of them."""
        annotations: dict[str, list[Annotation]] = defaultdict(list)
        query = (
            select(CropAnnotationRow)
            .where(CropAnnotationRow.crop_id.in_([row.id for row in rows]))
            .order_by(CropAnnotationRow.id)
        )
        for found in self._session.scalars(query) if rows else ():
            annotations[found.crop_id].append(
                Annotation(found.annotation_class, found.annotator, found.created_at)
            )
        return [_crop(row, tuple(annotations[row.id])) for row in rows]


def _crop(row: CropRow, annotations: tuple[Annotation, ...]) -> Crop:
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
        annotations=annotations,
    )
