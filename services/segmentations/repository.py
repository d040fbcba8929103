"""The only place that builds queries about segmentations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.db.tables import JobRow, SegmentationRow
from services.errors import NotFoundError

FINISHED_WELL = ("succeeded", "partial")


@dataclass(frozen=True)
class NewSegmentation:
    """One image's outcome, about to be recorded.

    Attributes
    ----------
    segmenter
        ``name/version`` of the artifact that made it.
    removed
        Objects that were found and dropped, by reason.
    shifts_px
        Per fluorescence channel, (dy, dx) that laid it on DAPI and whether it was found reliably.
    levels
        Per channel, the grey levels drawn black and white in pictures of this image and its crops.
    seconds
        From the image's bytes to its crops' bytes.
    """

    job_id: str
    image_id: str
    segmenter: str
    masks_key: str
    crops_key: str
    num_chromosomes: int
    num_touching: int
    removed: Mapping[str, int]
    shifts_px: Mapping[str, Any]
    levels: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True)
class Segmentation(NewSegmentation):
    """A recorded outcome."""

    created_at: datetime


@dataclass(frozen=True)
class Totals:
    """Sums over the images of one job."""

    images: int
    chromosomes: int
    touching: int


class SegmentationRepository:
    """Segmentations, through one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, new: NewSegmentation) -> bool:
        """Record an outcome; False if an earlier attempt of the job recorded this image already."""
        values = asdict(new)
        statement = insert(SegmentationRow).values(values).on_conflict_do_nothing()
        return self._session.scalar(statement.returning(SegmentationRow.job_id)) is not None

    def get(self, image_id: str, job_id: str | None = None) -> Segmentation:
        """An image's outcome in one job, or in the newest job that ended well.

        Raises
        ------
        NotFoundError
            There is none (yet).
        """
        row = SegmentationRow
        query = select(row).where(row.image_id == image_id)
        if job_id is not None:
            query = query.where(row.job_id == job_id)
        else:
            query = query.join(JobRow, JobRow.id == row.job_id).where(JobRow.status.in_(FINISHED_WELL))
        found = self._session.scalars(
            query.order_by(row.created_at.desc(), row.job_id.desc()).limit(1)
        ).first()
        if found is None:
            of_job = "" if job_id is None else f" by job {job_id}"
            raise NotFoundError(f"segmentation{of_job} of image", image_id)
        return _segmentation(found)

    def totals(self, job_id: str) -> Totals:
        """Sums over all images that a job has segmented."""
        row = SegmentationRow
        images, chromosomes, touching = self._session.execute(
            select(func.count(), func.sum(row.num_chromosomes), func.sum(row.num_touching)).where(
                row.job_id == job_id
            )
        ).one()
        return Totals(images, chromosomes or 0, touching or 0)


def _segmentation(row: SegmentationRow) -> Segmentation:
    return Segmentation(
        job_id=row.job_id,
        image_id=row.image_id,
        segmenter=row.segmenter,
        masks_key=row.masks_key,
        crops_key=row.crops_key,
        num_chromosomes=row.num_chromosomes,
        num_touching=row.num_touching,
        removed=row.removed,
        shifts_px=row.shifts_px,
        levels=row.levels,
        seconds=row.seconds,
        created_at=row.created_at,
    )
