"""Which crops a job is about, settled when it is submitted.

What a sample's crops are changes with every segmentation. So the ids are listed once, grouped by the
pack that holds the pixels, and stored as an object of their own: a job of a hundred thousand crops
stays a small row, and a retry next month works on the very same ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from services.db.tables import (
    BatchRow,
    CropRow,
    DatasetItemRow,
    DatasetVersionRow,
    ImageRow,
    JobRow,
    SegmentationRow,
)
from services.errors import ConflictError, InvalidInputError, NotFoundError
from services.jobs.params import ClassificationRequest, FilteringRequest
from services.jobs.types import TERMINAL_STATUSES
from services.segmentations.repository import FINISHED_WELL
from services.storage.base import ObjectStore
from services.storage.keys import content_key, sha256_hex

MAX_NAMED_IN_ERROR: Final = 10


@dataclass(frozen=True)
class CropSelection:
    """Crops by the pack that holds them, one pack per item of the job.

    Attributes
    ----------
    packs
        Pack key to crop ids, ascending. Packs come in the order of their first crop.
    sample
        The one sample that all of them belong to, or None.
    shown
        What the job shows as its inputs.
    """

    packs: Mapping[str, tuple[str, ...]]
    sample: str | None
    shown: Mapping[str, Any]

    def store(self, store: ObjectStore) -> str:
        """Store the ids and return the key."""
        listed = [{"pack": key, "crops": list(crop_ids)} for key, crop_ids in self.packs.items()]
        content = json.dumps(listed, separators=(",", ":")).encode()
        key = content_key("checkpoints", sha256_hex(content), ".json")
        if not store.exists(key):
            store.put(key, content)
        return key


def read_selection(store: ObjectStore, key: str) -> list[tuple[str, ...]]:
    """Read the crop ids of each item, in the order of the items; raises `ObjectNotFoundError`."""
    return [tuple(one["crops"]) for one in json.loads(store.get(key))]


def require_dataset(session: Session, ref: str) -> tuple[str, int]:
    """Name and version of an existing data set; raises `NotFoundError`."""
    name, _, version = ref.partition("/")
    if session.get(DatasetVersionRow, (name, int(version))) is None:
        raise NotFoundError("dataset", ref)
    return name, int(version)


def select_crops(session: Session, request: ClassificationRequest | FilteringRequest) -> CropSelection:
    """Find the crops that a request names.

    Raises
    ------
    NotFoundError
        A crop, a job, a batch or a data set does not exist.
    ConflictError
        The job that makes the crops has not ended.
    InvalidInputError
        There is no crop to work on.
    """
    if request.crop_ids is not None:
        return _by_ids(session, request.crop_ids)
    if request.job_id is not None:
        return _by_job(session, request.job_id)
    if request.dataset is not None or isinstance(request, FilteringRequest):
        return _by_dataset(session, request.dataset or "")
    return _by_images(session, request)


def _by_ids(session: Session, crop_ids: Sequence[str]) -> CropSelection:
    found = _found(session, CropRow.id.in_(crop_ids))
    known = {crop_id for crop_id, _, _ in found}
    missing = [crop_id for crop_id in crop_ids if crop_id not in known]
    if missing:
        raise NotFoundError("crop", ", ".join(missing[:MAX_NAMED_IN_ERROR]))
    return _selection(found, {"crop_ids": list(crop_ids)})


def _by_job(session: Session, job_id: str) -> CropSelection:
    job = session.get(JobRow, job_id)
    if job is None:
        raise NotFoundError("job", job_id)
    if job.status not in TERMINAL_STATUSES:
        raise ConflictError(
            f"Job {job_id} is {job.status} and may still make crops; submit when it has ended."
        )
    found = _found(session, CropRow.job_id == job_id)
    if not found:
        raise InvalidInputError(
            f"Job {job_id} made no crops; name a segmentation, scoring or generation job that did.", "job_id"
        )
    return _selection(found, {"job_id": job_id})


def _by_dataset(session: Session, ref: str) -> CropSelection:
    name, version = require_dataset(session, ref)
    item = DatasetItemRow
    members = select(item.crop_id).where(item.dataset_name == name, item.dataset_version == version)
    found = _found(session, CropRow.id.in_(members))
    if not found:
        raise InvalidInputError(f"Data set {ref} holds no crop.", "dataset")
    return _selection(found, {"dataset": ref})


def _by_images(session: Session, request: ClassificationRequest) -> CropSelection:
    """Take, of every image, what its newest segmentation found; synthetic crops belong to no image."""
    if request.batch_id is not None:
        field, named = "batch_id", request.batch_id
        batch = session.get(BatchRow, named)
        if batch is None:
            raise NotFoundError("batch", named)
        condition: ColumnElement[bool] = ImageRow.id.in_(
            [i["image_id"] for i in batch.items if i["image_id"]]
        )
    else:
        field, named = "sample", request.sample or ""
        condition = ImageRow.sample == named
    image_ids = select(ImageRow.id).where(condition, ImageRow.withdrawn_at.is_(None))
    newest = _newest_segmentations(image_ids).subquery()
    made_by_it = (newest.c.image_id == CropRow.image_id) & (newest.c.job_id == CropRow.job_id)
    found = _found(session, exists().where(made_by_it))
    if not found:
        raise InvalidInputError(
            f"No chromosome was found in {field.removesuffix('_id')} {named} yet; submit a segmentation "
            "first, or a scoring job, which does both.",
            field,
        )
    # An image that nobody segmented is left out, and the job says so.
    total = session.scalar(select(func.count()).select_from(image_ids.subquery())) or 0
    segmented = session.scalar(select(func.count()).select_from(newest)) or 0
    return _selection(found, {field: named, "images": segmented, "images_not_segmented": total - segmented})


def _newest_segmentations(image_ids: Select[str]) -> Select[str, str]:
    """Image and job of the newest segmentation that ended well, as `SegmentationRepository.get` picks it."""
    row = SegmentationRow
    return (
        select(row.image_id, row.job_id)
        .join(JobRow, JobRow.id == row.job_id)
        .where(row.image_id.in_(image_ids), JobRow.status.in_(FINISHED_WELL))
        .ext(distinct_on(row.image_id))
        .order_by(row.image_id, row.created_at.desc(), row.job_id.desc())
    )


def _found(session: Session, condition: ColumnElement[bool]) -> list[tuple[str, str, str | None]]:
    """Id, pack and sample of crops."""
    found = session.execute(select(CropRow.id, CropRow.pack_key, CropRow.sample).where(condition))
    return [(crop_id, pack_key, sample) for crop_id, pack_key, sample in found]


def _selection(found: Iterable[tuple[str, str, str | None]], shown: Mapping[str, Any]) -> CropSelection:
    packs: dict[str, list[str]] = {}
    samples = set()
    for crop_id, pack_key, sample in sorted(found, key=itemgetter(0)):
        packs.setdefault(pack_key, []).append(crop_id)
        samples.add(sample)
    crops = sum(map(len, packs.values()))
    return CropSelection(
        packs={key: tuple(crop_ids) for key, crop_ids in packs.items()},
        sample=samples.pop() if len(samples) == 1 else None,
        shown={**shown, "crops": crops},
    )
