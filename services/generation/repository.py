"""The only place that builds queries about how synthetic crops were made."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.db.tables import CropRow, SyntheticCropRow
from services.generation.types import NewSynthetic, Synthetic


class SyntheticRepository:
    """Synthetic crops through one session; flushes, never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, job_id: str, new: Sequence[NewSynthetic]) -> None:
        """Insert generated crops with how they were made; those that are there stay as they are."""
        if not new:
            return
        crops = [
            {
                "id": one.crop_id,
                "origin": "generated",
                "job_id": job_id,
                "source_crop_id": one.synthetic.source_crop_id,
                "pack_key": one.pack_key,
                "pack_index": one.pack_index,
                "bbox": list(one.bbox),
                "area_px": one.area_px,
                "flags": [],
            }
            for one in new
        ]
        made = [
            {
                "crop_id": one.crop_id,
                "generator": one.synthetic.generator,
                "seed": one.synthetic.seed,
                "sample_number": one.synthetic.sample_number,
                "canvas_scale": one.synthetic.canvas_scale,
            }
            for one in new
        ]
        self._session.execute(insert(CropRow).on_conflict_do_nothing(), crops)
        self._session.execute(insert(SyntheticCropRow).on_conflict_do_nothing(), made)

    def of_crops(self, crop_ids: Sequence[str]) -> dict[str, Synthetic]:
        """How some crops were made; crops that nobody generated are missing."""
        if not crop_ids:
            return {}
        row = SyntheticCropRow
        query = (
            select(row, CropRow.source_crop_id)
            .join(CropRow, CropRow.id == row.crop_id)
            .where(row.crop_id.in_(crop_ids))
        )
        return {
            made.crop_id: Synthetic(
                source or "", made.generator, made.seed, made.sample_number, made.canvas_scale
            )
            for made, source in self._session.execute(query)
        }

    def drawn(self, job_id: str, seed: int, limit: int) -> list[str]:
        """Draw some of the crops that a job generated, in the order of their sources and sample numbers.

        The draw follows from the seed, the source and the sample number alone: not from the crops' own
        ids, which an interrupted job gives anew, nor from the order in which they were made.
        """
        crop, made = CropRow, SyntheticCropRow
        place = func.md5(func.concat(seed, " ", crop.source_crop_id, " ", made.sample_number))
        query = (
            select(crop.id, crop.source_crop_id, made.sample_number)
            .join(made, made.crop_id == crop.id)
            .where(crop.job_id == job_id, crop.origin == "generated")
            .order_by(place)
            .limit(limit)
        )
        found = sorted(self._session.execute(query), key=lambda row: (row[1] or "", row[2]))
        return [crop_id for crop_id, _, _ in found]

    def count(self, job_id: str) -> tuple[int, int]:
        """How many crops a job generated, and from how many sources."""
        query = select(func.count(), func.count(CropRow.source_crop_id.distinct())).where(
            CropRow.job_id == job_id, CropRow.origin == "generated"
        )
        crops, sources = self._session.execute(query).one()
        return crops, sources
