"""Which crops a generation job starts from, settled when it is submitted.

As with a classification, the ids are listed once and stored as an object: a retry next month works on
the very same ones. Held-out slides must not become training material by accident, so a data set gives
its train split unless others are asked for; and what nobody could learn from is left out and counted.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from services.db.tables import CropRow, DatasetItemRow, ImageRow, JobRow
from services.errors import ConflictError, InvalidInputError, NotFoundError
from services.generation.types import SourceBatch, SourceSelection
from services.jobs.params import MAX_SYNTHETIC_CROPS, GenerationRequest
from services.jobs.types import TERMINAL_STATUSES
from services.predictions.selection import require_dataset
from services.storage.base import ObjectStore
from services.storage.keys import content_key, sha256_hex

BATCH_CROPS: Final = 64
BATCH_BYTES: Final = 16 * 1024**2
"""Of an item's generated pictures and masks: memory stays flat, however many samples a source has."""

_CHANNELS_AND_MASK: Final = 4
_NAMED: Final = 10


@dataclass(frozen=True)
class _Found:
    """A crop that may become a source; `item_class` is None for one that no data set labels."""

    crop_id: str
    pack_key: str
    origin: str
    crop_class: str | None
    withdrawn: bool
    item_class: str | None = None

    @property
    def label(self) -> str:
        """What the data set says, or else the newest verdict."""
        return self.item_class or self.crop_class or "unlabelled"


def select_sources(
    session: Session, request: GenerationRequest, *, method: str, canvas_px: int
) -> SourceSelection:
    """Find the source crops that a request names, and cut them into batches.

    Parameters
    ----------
    method, canvas_px
        Of the generator: they decide which classes are taken by default, and how large a batch is.

    Raises
    ------
    NotFoundError
        A crop, a job or a data set does not exist.
    ConflictError
        The job that makes the crops has not ended.
    InvalidInputError
        Generated crops are among them, there is no source, or there would be too many synthetic crops.
    """
    found, shown = _candidates(session, request)
    _refuse_generated(found)
    classes = _classes(request, method, found)
    chosen, left_out = _chosen(found, classes)
    if not chosen:
        raise InvalidInputError(
            f"There is no source crop left (left out: {dict(left_out) or 'none'}); name other crops, classes "
            "or splits.",
            next(name for name in ("crop_ids", "job_id", "dataset") if getattr(request, name) is not None),
        )
    if request.max_sources is not None and len(chosen) > request.max_sources:
        left_out["beyond_max_sources"] = len(chosen) - request.max_sources
        chosen = sorted(chosen, key=lambda one: _draw(request.seed, one.crop_id))[: request.max_sources]
    synthetic = len(chosen) * request.samples_per_source
    if synthetic > MAX_SYNTHETIC_CROPS:
        raise InvalidInputError(
            f"{len(chosen)} sources times {request.samples_per_source} samples are {synthetic} synthetic "
            f"crops; a job makes at most {MAX_SYNTHETIC_CROPS}. Set max_sources or fewer samples_per_source.",
            "samples_per_source",
        )
    details = {"classes": list(classes)} if classes is not None else {}
    counts = {"sources": len(chosen), "synthetic_crops": synthetic, "left_out": dict(left_out)}
    return SourceSelection(
        batches=_batches(chosen, _batch_size(request.samples_per_source, canvas_px)),
        shown={**shown, **details, **counts},
    )


def store_batches(store: ObjectStore, batches: Sequence[SourceBatch]) -> str:
    """Store the ids of a job's batches and return the key."""
    listed = [{"pack": one.pack_key, "crops": list(one.crop_ids)} for one in batches]
    content = json.dumps(listed, separators=(",", ":")).encode()
    key = content_key("checkpoints", sha256_hex(content), ".json")
    if not store.exists(key):
        store.put(key, content)
    return key


def read_batches(store: ObjectStore, key: str) -> list[SourceBatch]:
    """Read what `store_batches` wrote, in the order of the job's items; raises `ObjectNotFoundError`."""
    return [SourceBatch(one["pack"], tuple(one["crops"])) for one in json.loads(store.get(key))]


def _candidates(session: Session, request: GenerationRequest) -> tuple[list[_Found], dict[str, Any]]:
    """Every crop that the selection reaches, and what the job shows of the selection."""
    if request.crop_ids is not None:
        found = _plain(session, CropRow.id.in_(request.crop_ids))
        known = {one.crop_id for one in found}
        missing = [crop_id for crop_id in request.crop_ids if crop_id not in known]
        if missing:
            raise NotFoundError("crop", ", ".join(missing[:_NAMED]))
        return found, {"crop_ids": list(request.crop_ids)}
    if request.job_id is not None:
        job = session.get(JobRow, request.job_id)
        if job is None:
            raise NotFoundError("job", request.job_id)
        if job.status not in TERMINAL_STATUSES:
            raise ConflictError(
                f"Job {request.job_id} is {job.status} and may still make crops; submit when it has ended."
            )
        return _plain(session, CropRow.job_id == request.job_id), {"job_id": request.job_id}
    ref = request.dataset or ""
    name, version = require_dataset(session, ref)
    splits = request.splits or ("train",)
    item = DatasetItemRow
    query = (
        _columns(item.item_class)
        .join(item, item.crop_id == CropRow.id)
        .where(item.dataset_name == name, item.dataset_version == version, item.split.in_(splits))
    )
    return _mapped(session, query), {"dataset": ref, "splits": list(splits)}


def _plain(session: Session, condition: ColumnElement[bool]) -> list[_Found]:
    return _mapped(session, _columns().where(condition))


def _columns(*more: Any) -> Select[*tuple[Any, ...]]:
    crop = CropRow
    withdrawn = ImageRow.withdrawn_at.is_not(None)
    return select(crop.id, crop.pack_key, crop.origin, crop.crop_class, withdrawn, *more).outerjoin(
        ImageRow, ImageRow.id == crop.image_id
    )


def _mapped(session: Session, query: Select[*tuple[Any, ...]]) -> list[_Found]:
    return [_Found(*row) for row in session.execute(query.order_by(CropRow.id))]


def _refuse_generated(found: Sequence[_Found]) -> None:
    synthetic = [one.crop_id for one in found if one.origin == "generated"]
    if synthetic:
        more = f" and {len(synthetic) - _NAMED} more" if len(synthetic) > _NAMED else ""
        raise InvalidInputError(
            f"Synthetic crops are made from real ones only. These were generated themselves: "
            f"{', '.join(synthetic[:_NAMED])}{more}; name their sources instead.",
            "body",
        )


def _classes(request: GenerationRequest, method: str, found: Sequence[_Found]) -> tuple[str, ...] | None:
    """Which classes are taken; None means all, as for crops that are named one by one."""
    if request.classes is not None or request.crop_ids is not None:
        return request.classes
    if request.job_id is not None or method == "painted":
        # The painter needs a chromosome of one colour, or of none.
        return ("normal", "unlabelled")
    has_unlabelled = any(one.label == "unlabelled" for one in found)
    return ("unlabelled",) if has_unlabelled else ("normal",)


def _chosen(found: Sequence[_Found], classes: tuple[str, ...] | None) -> tuple[list[_Found], Counter[str]]:
    """What becomes a source, and how many do not, by reason."""
    chosen, left_out = [], Counter[str]()
    for one in found:
        if one.crop_class == "excluded":
            left_out["excluded"] += 1
        elif one.withdrawn:
            left_out["withdrawn"] += 1
        elif classes is not None and one.label not in classes:
            left_out[one.label] += 1
        else:
            chosen.append(one)
    return chosen, left_out


def _draw(seed: int, crop_id: str) -> bytes:
    """A place in a random order that depends on the seed and the crop alone."""
    return hashlib.sha256(f"{seed} {crop_id}".encode()).digest()


def _batch_size(samples_per_source: int, canvas_px: int) -> int:
    """Sources per item."""
    samples = BATCH_BYTES // (canvas_px * canvas_px * _CHANNELS_AND_MASK)
    return min(max(samples // samples_per_source, 1), BATCH_CROPS)


def _batches(chosen: Sequence[_Found], size: int) -> list[SourceBatch]:
    """Batches of one pack each, in the order of the packs' first crops."""
    packs: dict[str, list[str]] = {}
    for one in sorted(chosen, key=lambda found: found.crop_id):
        packs.setdefault(one.pack_key, []).append(one.crop_id)
    return [
        SourceBatch(key, tuple(crop_ids[start : start + size]))
        for key, crop_ids in packs.items()
        for start in range(0, len(crop_ids), size)
    ]
