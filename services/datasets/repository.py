"""The only place that builds queries about data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, text, tuple_
from sqlalchemy.orm import Session

from services.datasets.types import IMPORTED_CHANNELS, DatasetItem, DatasetVersion, split_ref
from services.db.tables import CropRow, DatasetItemRow, DatasetVersionRow, ImageRow
from services.errors import InvalidInputError, NotFoundError
from services.pagination import Page, PageRequest, make_page

MAX_VERSION = 2**31 - 1


@dataclass(frozen=True)
class NewVersion:
    """A version that is about to be inserted; its items have crop ids and are in their final order."""

    name: str
    sha256: str
    source: str
    manifest: Mapping[str, Any]
    counts: Mapping[str, Mapping[str, int]]


class DatasetRepository:
    """Versions and their items, through one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, name: str, version: int) -> DatasetVersion:
        """One version; raises `NotFoundError`."""
        row = None
        if 0 < version <= MAX_VERSION:
            row = self._session.get(DatasetVersionRow, (name, version))
        if row is None:
            raise NotFoundError("dataset", f"{name}/{version}")
        return _version(row)

    def resolve(self, ref: str) -> DatasetVersion:
        """The version that ``name/version`` names; raises `NotFoundError`."""
        return self.get(*split_ref(ref))

    def list_page(self, page: PageRequest) -> Page[DatasetVersion]:
        """Every version, by name and number."""
        row = DatasetVersionRow
        query = select(row).order_by(row.name, row.version).limit(page.limit + 1)
        if page.after is not None:
            query = query.where(tuple_(row.name, row.version) > _place(page.after))
        versions = [_version(found) for found in self._session.scalars(query)]
        return make_page(versions, page.limit, lambda version: version.ref)

    def versions(self, name: str) -> list[DatasetVersion]:
        """All versions of one name, oldest first; raises `NotFoundError` if there are none."""
        row = DatasetVersionRow
        query = select(row).where(row.name == name).order_by(row.version)
        found = [_version(one) for one in self._session.scalars(query)]
        if not found:
            raise NotFoundError("dataset", name)
        return found

    def items(self, version: DatasetVersion) -> list[DatasetItem]:
        """All items of a version with where their pixels lie, in their order."""
        return [_item(row) for row in self._session.execute(_items_of(version))]

    def items_page(self, version: DatasetVersion, page: PageRequest) -> Page[DatasetItem]:
        """Some items of a version, in their order."""
        query = _items_of(version).limit(page.limit + 1)
        if page.after is not None:
            query = query.where(DatasetItemRow.position > _position(page.after))
        items = [_item(row) for row in self._session.execute(query)]
        return make_page(items, page.limit, lambda item: str(item.position))

    def with_content(self, name: str, sha256: str) -> DatasetVersion | None:
        """The first version of a name with this very content, or None."""
        row = DatasetVersionRow
        query = select(row).where(row.name == name, row.sha256 == sha256).order_by(row.version).limit(1)
        found = self._session.scalars(query).first()
        return None if found is None else _version(found)

    def lock_name(self, name: str) -> None:
        """Hold the name until the transaction ends, so that version numbers have no gaps or clashes."""
        self._session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"dataset/{name}"}
        )

    def next_version(self, name: str) -> int:
        """The number after the newest; stays true while the name is locked."""
        row = DatasetVersionRow
        return (self._session.scalar(select(func.max(row.version)).where(row.name == name)) or 0) + 1

    def add(self, new: NewVersion, number: int, items: Sequence[dict[str, Any]]) -> DatasetVersion:
        """Insert a version and its items.

        Parameters
        ----------
        number
            What `next_version` said under the lock.
        items
            Columns of `dataset_items` without the version, in the items' order.
        """
        row = DatasetVersionRow(
            name=new.name,
            version=number,
            sha256=new.sha256,
            source=new.source,
            manifest=dict(new.manifest),
            counts={split: dict(classes) for split, classes in new.counts.items()},
        )
        self._session.add(row)
        self._session.flush()
        key = {"dataset_name": new.name, "dataset_version": number}
        self._session.execute(
            insert(DatasetItemRow), [key | {"position": i} | item for i, item in enumerate(items)]
        )
        self._session.refresh(row)
        return _version(row)


def _items_of(version: DatasetVersion) -> Select[*tuple[Any, ...]]:
    # Columns, not rows: a hundred thousand tracked objects would cost more than the query.
    item = DatasetItemRow
    return (
        select(
            item.position,
            item.crop_id,
            item.item_class.label("item_class"),
            item.split,
            item.group,
            item.chromosome,
            item.sha256,
            CropRow.pack_key,
            CropRow.pack_index,
            CropRow.origin,
            ImageRow.channels,
            CropRow.bbox,
        )
        .join(CropRow, CropRow.id == item.crop_id)
        .outerjoin(ImageRow, ImageRow.id == CropRow.image_id)
        .where(item.dataset_name == version.name, item.dataset_version == version.version)
        .order_by(item.position)
    )


def _item(row: Row[*tuple[Any, ...]]) -> DatasetItem:
    values = row._asdict()
    y0, x0, y1, x1 = values.pop("bbox")
    channels = values.pop("channels") or IMPORTED_CHANNELS
    return DatasetItem(**values, channels=tuple(channels), bbox=(y0, x0, y1, x1))


def _version(row: DatasetVersionRow) -> DatasetVersion:
    return DatasetVersion(
        name=row.name,
        version=row.version,
        sha256=row.sha256,
        source=row.source,
        manifest=row.manifest,
        counts=row.counts,
        created_at=row.created_at,
    )


def _place(after: str) -> tuple[str, int]:
    name, _, version = after.rpartition("/")
    return name, _position(version)


def _position(after: str) -> int:
    if not (after.isdecimal() and after.isascii()) or int(after) > MAX_VERSION:
        raise InvalidInputError("The cursor belongs to another list.", "cursor")
    return int(after)
