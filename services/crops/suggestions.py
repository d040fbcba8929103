"""Crops that a person may want to exclude: each with what was measured and where doubt begins.

A selection may hold a hundred thousand crops, so it is looked at page by page: a request reads a
bounded number of packs, one at a time, and gives back the doubtful ones among them. What is usual for
the selection's areas comes from all its rows, what is usual for focus from a fixed sample of its packs:
the same for every page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from models.classification.outliers import (
    MAD_TO_SD,
    MIN_CROPS,
    MIN_SPREAD,
    Doubt,
    Measured,
    Reference,
    Usual,
    doubts,
    focus_of,
    outline_of,
    saturated_share,
)
from models.segmentation.crops import CropPack
from services.crops.repository import IMPORTED_CHANNELS
from services.db.engine import SessionFactory
from services.db.tables import CropRow, DatasetItemRow, DatasetVersionRow, ImageRow, JobRow, SegmentationRow
from services.errors import InvalidInputError, NotFoundError
from services.pagination import Page, PageRequest, encode_cursor
from services.segmentations.repository import FINISHED_WELL
from services.storage.base import ObjectStore

REFERENCE_PACKS: Final = 6
REFERENCE_CROPS_PER_PACK: Final = 32
PACKS_PER_REQUEST: Final = 12
CROPS_PER_REQUEST: Final = 1000


@dataclass(frozen=True)
class Scope:
    """Which crops to look at: exactly one of a job's, an image's, a sample's or a data set's.

    Of an image or sample those count that the newest segmentation of each image found.
    """

    job_id: str | None = None
    image_id: str | None = None
    sample: str | None = None
    dataset: str | None = None

    def __post_init__(self) -> None:
        """Refuse none, and several."""
        given = (self.job_id, self.image_id, self.sample, self.dataset)
        if sum(value is not None for value in given) != 1:
            raise InvalidInputError("Give exactly one of job, image, sample and dataset.", "query")


@dataclass(frozen=True)
class Suggestion:
    """A crop that somebody should look at, and why."""

    crop_id: str
    image_id: str | None
    sample: str | None
    crop_class: str | None
    reasons: tuple[Doubt, ...]


@dataclass(frozen=True)
class _Candidate:
    """A crop of the selection and where its pixels lie."""

    crop_id: str
    image_id: str | None
    sample: str | None
    crop_class: str | None
    origin: str
    pack_key: str
    pack_index: int
    channels: tuple[str, ...]


class SuggestionService:
    """Looks for doubtful crops; it changes nothing."""

    def __init__(self, session_factory: SessionFactory, store: ObjectStore) -> None:
        self._session_factory = session_factory
        self._store = store

    def list_page(self, scope: Scope, page: PageRequest) -> Page[Suggestion]:
        """Look at the next crops of a selection, and return the doubtful ones that are not excluded yet.

        A page may hold fewer suggestions than asked for, or none, and still have a next one: a request
        looks at no more than `PACKS_PER_REQUEST` packs and `CROPS_PER_REQUEST` crops.

        Raises
        ------
        NotFoundError
            There is no such data set.
        ObjectNotFoundError, CropPackError
            A pack is gone or damaged.
        """
        with self._session_factory() as session:
            chosen = _selection(session, scope)
            candidates = _candidates(session, chosen, page.after)
            areas = _usual_area(session, chosen)
            sampled = _reference_sample(session, chosen)
        focus = self._usual_focus(sampled) if candidates else None
        found: list[Suggestion] = []
        seen: str | None = None
        packs = 0
        more = len(candidates) > CROPS_PER_REQUEST
        for candidate, pack, is_new in self._with_packs(candidates[:CROPS_PER_REQUEST]):
            if is_new:
                packs += 1
                reference = Reference(areas, focus, _usual_area_in(pack))
            if packs > PACKS_PER_REQUEST or len(found) == page.limit:
                more = True
                break
            reasons = doubts(_measured(candidate, pack), reference)
            if reasons:
                found.append(_suggestion(candidate, reasons))
            seen = candidate.crop_id
        return Page(tuple(found), encode_cursor(seen) if more and seen is not None else None)

    def _usual_focus(self, sampled: Sequence[_Candidate]) -> Usual | None:
        return Usual.of([_focus(candidate, pack) for candidate, pack, _ in self._with_packs(sampled)])

    def _with_packs(self, candidates: Sequence[_Candidate]) -> Iterator[tuple[_Candidate, CropPack, bool]]:
        """Each candidate with its pack, one pack in memory, and whether it had to be read."""
        key, pack = "", None
        for candidate in candidates:
            is_new = pack is None or candidate.pack_key != key
            if is_new:
                key, pack = candidate.pack_key, CropPack.from_npz(self._store.get(candidate.pack_key))
            assert pack is not None  # noqa: S101 - for the type checker
            yield candidate, pack, is_new


def _selection(session: Session, scope: Scope) -> Select[Any]:
    """Ids of the crops of a selection."""
    crop = CropRow
    if scope.dataset is not None:
        name, _, version = scope.dataset.partition("/")
        if not version.isdecimal() or session.get(DatasetVersionRow, (name, int(version))) is None:
            raise NotFoundError("dataset", scope.dataset)
        item = DatasetItemRow
        return select(item.crop_id).where(item.dataset_name == name, item.dataset_version == int(version))
    if scope.job_id is not None:
        # A synthetic crop takes no verdict, so there is nothing to suggest of one.
        return select(crop.id).where(crop.job_id == scope.job_id, crop.origin != "generated")
    images = select(ImageRow.id).where(
        ImageRow.id == scope.image_id if scope.image_id is not None else ImageRow.sample == scope.sample
    )
    # An image that was segmented twice shows every chromosome twice: the newest outcome counts.
    outcome = SegmentationRow
    newest = (
        select(outcome.job_id, outcome.image_id)
        .join(JobRow, JobRow.id == outcome.job_id)
        .where(JobRow.status.in_(FINISHED_WELL), outcome.image_id.in_(images))
        .ext(distinct_on(outcome.image_id))
        .order_by(outcome.image_id, outcome.created_at.desc(), outcome.job_id.desc())
    )
    return select(crop.id).where(tuple_(crop.job_id, crop.image_id).in_(newest))


def _candidates(session: Session, chosen: Select[Any], after: str | None) -> list[_Candidate]:
    """The next crops that nobody excluded, one more than are looked at."""
    query = _rows(chosen).where(CropRow.crop_class.is_distinct_from("excluded"))
    if after is not None:
        query = query.where(CropRow.id > after)
    return _mapped(session, query.order_by(CropRow.id).limit(CROPS_PER_REQUEST + 1))


def _reference_sample(session: Session, chosen: Select[Any]) -> list[_Candidate]:
    """Crops of a few packs. Keys are digests, so the first few of them are a sample without a pattern."""
    crop = CropRow
    keys = select(crop.pack_key).where(crop.id.in_(chosen)).distinct().order_by(crop.pack_key)
    query = _rows(chosen).where(crop.pack_key.in_(keys.limit(REFERENCE_PACKS)))
    of_pack: dict[str, list[_Candidate]] = defaultdict(list)
    for candidate in _mapped(session, query.order_by(crop.pack_key, crop.pack_index)):
        of_pack[candidate.pack_key].append(candidate)
    return [
        candidate
        for members in of_pack.values()
        for candidate in members[:: -(-len(members) // REFERENCE_CROPS_PER_PACK)]
    ]


def _usual_area(session: Session, chosen: Select[Any]) -> Usual | None:
    """Median and spread of ln(area) over the whole selection, computed where the rows are."""
    logs = select(func.ln(func.greatest(CropRow.area_px, 1)).label("log")).where(CropRow.id.in_(chosen))
    area = logs.subquery()
    middle = func.percentile_cont(0.5)
    count, centre = session.execute(select(func.count(), middle.within_group(area.c.log))).one()
    if count < MIN_CROPS:
        return None
    distance = func.abs(area.c.log - centre)
    spread = session.scalars(select(middle.within_group(distance))).one()
    return Usual(float(centre), max(MAD_TO_SD * float(spread), MIN_SPREAD))


def _rows(chosen: Select[Any]) -> Select[*tuple[Any, ...]]:
    crop = CropRow
    return (
        select(
            crop.id,
            crop.image_id,
            crop.sample,
            crop.crop_class,
            crop.origin,
            crop.pack_key,
            crop.pack_index,
            ImageRow.channels,
        )
        .outerjoin(ImageRow, ImageRow.id == crop.image_id)
        .where(crop.id.in_(chosen))
    )


def _mapped(session: Session, query: Select[*tuple[Any, ...]]) -> list[_Candidate]:
    return [
        _Candidate(crop_id, image, sample, said, origin, key, index, tuple(channels or IMPORTED_CHANNELS))
        for crop_id, image, sample, said, origin, key, index, channels in session.execute(query)
    ]


def _usual_area_in(pack: CropPack) -> Usual | None:
    """What is usual among all crops of a pack, which are one metaphase's, or were imported together."""
    areas_px = pack.masks.sum(axis=(1, 2))
    return Usual.of(np.log(areas_px[areas_px > 0]))


def _focus(candidate: _Candidate, pack: CropPack) -> float:
    dapi = pack.pixels[candidate.pack_index, candidate.channels.index("dapi")]
    return focus_of(dapi, pack.masks[candidate.pack_index])


def _measured(candidate: _Candidate, pack: CropPack) -> Measured:
    pixels, mask = pack.pixels[candidate.pack_index], pack.masks[candidate.pack_index]
    # Pictures that were drawn for people are stretched to white on purpose.
    saturated = saturated_share(pixels, mask) if candidate.origin == "segmented" else 0.0
    return Measured(_focus(candidate, pack), saturated, outline_of(mask))


def _suggestion(candidate: _Candidate, reasons: tuple[Doubt, ...]) -> Suggestion:
    return Suggestion(candidate.crop_id, candidate.image_id, candidate.sample, candidate.crop_class, reasons)
