"""From annotated crops to items: which crops are meant, what they are, and the hash of their pixels."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from models.segmentation.crops import CropPack
from services.datasets.errors import Findings, InvalidDatasetError
from services.datasets.packing import pixel_sha256
from services.datasets.simulated import refuse_mixed
from services.datasets.types import MAX_ITEMS, FreezeRequest, NewItem, Selection
from services.db.tables import BatchRow, CropRow, DatasetItemRow, ImageRow, JobRow, SegmentationRow
from services.errors import ConflictError, InvalidInputError, NotFoundError
from services.images.layout import Layout
from services.jobs.types import TERMINAL_STATUSES
from services.segmentations.repository import FINISHED_WELL
from services.storage.base import ObjectStore

_LABELS = ("normal", "aberration")
_NAMED = 5
# What one statement may name, and what may be looked at before it is known how much is left out.
_MAX_IMAGES = 50_000
_MAX_ROWS = 1_000_000


@dataclass(frozen=True)
class SelectedCrop:
    """A crop with all that decides its item, before its pixels are read."""

    crop_id: str
    item_class: str
    group: str
    chromosome: str
    pack_key: str
    pack_index: int
    bbox: tuple[int, int, int, int]
    sha256: str | None  # of imported crops it is known


@dataclass(frozen=True)
class Selected:
    """What a selection holds, what it leaves out and why, and what is worth knowing."""

    crops: Sequence[SelectedCrop]
    left_out: dict[str, int]
    warnings: Sequence[str]
    simulated: bool = False


@dataclass(frozen=True)
class _Image:
    """Where an image comes from."""

    sample: str
    slide: str | None
    dapi: str  # which plane of which file, whatever the other channels are


class CropSelector:
    """Finds the crops of a request, through one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def select(self, request: FreezeRequest) -> Selected:
        """Find the crops that are meant.

        Raises
        ------
        NotFoundError
            A named sample, batch, job or crop does not exist.
        ConflictError
            A named job has not ended.
        InvalidDatasetError
            Generated crops are among them, or simulated ones beside real ones.
        InvalidInputError
            There are none, or too many.
        """
        rows = self._rows(request.selection)
        images = self._images({row.image_id for row in rows if row.image_id is not None})
        imported = self._imported([row.id for row in rows if row.image_id is None])
        _refuse_generated(rows)
        left_out: Counter[str] = Counter()
        crops = []
        for row in rows:
            reason = _left_out(row, images, include_unlabelled=request.include_unlabelled)
            if reason is not None:
                left_out[reason] += 1
            elif row.image_id is None:
                group, chromosome, sha256 = imported[row.id]
                crops.append(_selected(row, group, chromosome, sha256))
            else:
                image = images[row.image_id]
                group = (image.slide or image.sample) if request.group_by == "slide" else image.sample
                crops.append(_selected(row, group, _chromosome(image, row.bbox), None))
        if not 0 < len(crops) <= MAX_ITEMS:
            raise InvalidInputError(
                f"The selection holds {len(crops)} crops that can be frozen (left out: {dict(left_out)}); a "
                f"data set has 1 to {MAX_ITEMS}. Give verdicts with PUT /v1/crops/{{id}}/annotation.",
                "body",
            )
        kept_images = [images[row.image_id] for row in rows if row.image_id in images]
        warnings = _shared_slides(kept_images) if request.group_by == "slide" else []
        kept = {crop.crop_id for crop in crops}
        simulated = refuse_mixed({row.id: row.origin for row in rows if row.id in kept})
        return Selected(crops, dict(left_out), warnings, simulated)

    def _rows(self, selection: Selection) -> list[Any]:
        """The crops that a selection names, in the order of their ids."""
        crop = CropRow
        if selection.crop_ids is not None:
            rows = self._crops(select(crop).where(crop.id.in_(selection.crop_ids)))
            _require("crop", selection.crop_ids, (row.id for row in rows))
            return rows
        if selection.job_ids is not None:
            self._require_jobs(selection.job_ids)
            return self._crops(select(crop).where(crop.job_id.in_(selection.job_ids)))
        if selection.batch_ids is not None:
            image_ids = self._of_batches(selection.batch_ids)
        else:
            image_ids = self._of_samples(selection.samples or ())
        if len(image_ids) > _MAX_IMAGES:
            raise InvalidInputError(f"The selection has {len(image_ids)} images; name fewer.", "body")
        # An image that was segmented twice shows every chromosome twice: the newest outcome counts.
        outcome = SegmentationRow
        newest = (
            select(outcome.job_id, outcome.image_id)
            .join(JobRow, JobRow.id == outcome.job_id)
            .where(JobRow.status.in_(FINISHED_WELL), outcome.image_id.in_(image_ids))
            .ext(distinct_on(outcome.image_id))
            .order_by(outcome.image_id, outcome.created_at.desc(), outcome.job_id.desc())
        )
        return self._crops(select(crop).where(tuple_(crop.job_id, crop.image_id).in_(newest)))

    def _crops(self, query: Select[Any]) -> list[Any]:
        crop = CropRow
        columns = (
            crop.id,
            crop.origin,
            crop.image_id,
            crop.pack_key,
            crop.pack_index,
            crop.bbox,
            crop.crop_class,
        )
        found = query.with_only_columns(*columns).order_by(crop.id).limit(_MAX_ROWS)
        rows = list(self._session.execute(found))
        if len(rows) == _MAX_ROWS:
            raise InvalidInputError(f"The selection has {_MAX_ROWS} crops or more; name fewer.", "body")
        return rows

    def _require_jobs(self, job_ids: Sequence[str]) -> None:
        query = select(JobRow.id, JobRow.status).where(JobRow.id.in_(job_ids))
        status_of = {row.id: row.status for row in self._session.execute(query)}
        _require("job", job_ids, status_of)
        running = [job_id for job_id, status in status_of.items() if status not in TERMINAL_STATUSES]
        if running:
            raise ConflictError(
                f"Job {running[0]} has not ended and may still make crops; freeze them when it has."
            )

    def _of_batches(self, batch_ids: Sequence[str]) -> set[str]:
        found = list(self._session.scalars(select(BatchRow).where(BatchRow.id.in_(batch_ids))))
        _require("batch", batch_ids, (batch.id for batch in found))
        return {item["image_id"] for batch in found for item in batch.items if item["image_id"]}

    def _of_samples(self, samples: Sequence[str]) -> set[str]:
        query = select(ImageRow.id, ImageRow.sample).where(ImageRow.sample.in_(samples))
        found = list(self._session.execute(query))
        _require("image of sample", samples, (sample for _, sample in found))
        return {image_id for image_id, _ in found}

    def _images(self, image_ids: set[str]) -> dict[str, _Image]:
        """Those that were not withdrawn."""
        row = ImageRow
        query = select(row.id, row.sample, row.slide, row.sources, row.layout).where(
            row.id.in_(image_ids), row.withdrawn_at.is_(None)
        )
        return {
            image_id: _Image(sample, slide, _dapi(sources, Layout.from_json(layout)))
            for image_id, sample, slide, sources, layout in self._session.execute(query)
        }

    def _imported(self, crop_ids: Sequence[str]) -> dict[str, tuple[str, str, str]]:
        """Group, chromosome and hash of imported crops, as their first data set has them."""
        item = DatasetItemRow
        query = (
            select(item.crop_id, item.group, item.chromosome, item.sha256)
            .where(item.crop_id.in_(crop_ids))
            .ext(distinct_on(item.crop_id))
            .order_by(item.crop_id, item.dataset_name, item.dataset_version)
        )
        return {row.crop_id: (row.group, row.chromosome, row.sha256) for row in self._session.execute(query)}


def hashed(crops: Sequence[SelectedCrop], store: ObjectStore) -> list[NewItem]:
    """Read the crops' pixels, pack by pack, and return items without splits.

    Raises
    ------
    ObjectNotFoundError, CropPackError
        A pack is gone or damaged.
    """
    by_pack: dict[str, list[SelectedCrop]] = defaultdict(list)
    for crop in crops:
        if crop.sha256 is None:
            by_pack[crop.pack_key].append(crop)
    sha256_of = {crop.crop_id: crop.sha256 for crop in crops if crop.sha256 is not None}
    for key, members in by_pack.items():
        pack = CropPack.from_npz(store.get(key))
        for crop in members:
            sha256_of[crop.crop_id] = _pixel_sha256(pack, crop)
    return [
        NewItem(c.crop_id, c.item_class, "", c.group, c.chromosome, sha256_of[c.crop_id], c.crop_id)
        for c in crops
    ]


def _pixel_sha256(pack: CropPack, crop: SelectedCrop) -> str:
    top, left = (int(edge) for edge in pack.windows[crop.pack_index][:2])
    y0, x0, y1, x1 = crop.bbox
    rows, cols = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    return pixel_sha256(pack.pixels[crop.pack_index, :, rows, cols], pack.masks[crop.pack_index, rows, cols])


def _refuse_generated(rows: Iterable[Any]) -> None:
    findings = Findings()
    for row in rows:
        if row.origin == "generated":
            findings.add(row.id, "is synthetic; a data set holds real crops only.")
    if findings:
        raise InvalidDatasetError(
            findings,
            "Leave them out, and name samples, batches or segmentation jobs instead of generation jobs.",
        )


def _left_out(row: Any, images: dict[str, _Image], *, include_unlabelled: bool) -> str | None:
    """Why a crop does not become an item, or None."""
    if row.image_id is not None and row.image_id not in images:
        return "withdrawn"
    if row.crop_class is None:
        return None if include_unlabelled else "without_verdict"
    return None if row.crop_class in _LABELS else str(row.crop_class)


def _selected(row: Any, group: str, chromosome: str, sha256: str | None) -> SelectedCrop:
    y0, x0, y1, x1 = row.bbox
    return SelectedCrop(
        crop_id=row.id,
        item_class=row.crop_class or "unlabelled",
        group=group,
        chromosome=chromosome,
        pack_key=row.pack_key,
        pack_index=row.pack_index,
        bbox=(y0, x0, y1, x1),
        sha256=sha256,
    )


def _dapi(sources: Sequence[dict[str, Any]], layout: Layout) -> str:
    sha256_of = {source["filename"]: source["sha256"] for source in sources}
    place = next(source for source in layout.sources if source.channel == "dapi")
    return f"{sha256_of[place.file]} {place.plane}"


def _chromosome(image: _Image, bbox: Sequence[int]) -> str:
    """The same for every colour view of one chromosome: they share the DAPI plane and the place in it."""
    return hashlib.sha256(f"{image.dapi} {list(bbox)}".encode()).hexdigest()


def _shared_slides(images: Iterable[_Image]) -> list[str]:
    samples_of: dict[str, set[str]] = defaultdict(set)
    for image in images:
        if image.slide is not None:
            samples_of[image.slide].add(image.sample)
    shared = sorted(slide for slide, samples in samples_of.items() if len(samples) > 1)
    if not shared:
        return []
    warning = (
        f"{len(shared)} slide name(s) occur under several samples and count as one group each, first "
        f"{shared[0]!r}; use group_by sample if they are different slides."
    )
    return [warning]


def _require(what: str, wanted: Sequence[str], found: Iterable[str]) -> None:
    known = set(found)
    missing = [identity for identity in wanted if identity not in known]
    if missing:
        raise NotFoundError(what, ", ".join(missing[:_NAMED]))
