"""Stored metaphases: the only place that builds queries about them, and the way back to pixels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from services.db.tables import ImageMasksRow, ImageRow
from services.errors import NotFoundError
from services.ids import new_id
from services.images.channels import ChannelStack
from services.images.decoding import decode
from services.images.layout import Layout
from services.pagination import Page, PageRequest, make_page
from services.storage.base import ObjectStore

MAX_NAMED_IN_ERROR = 5


@dataclass(frozen=True)
class StoredSource:
    """One original file: what the client called it, and where its bytes lie."""

    filename: str
    key: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Image:
    """A metaphase. `sha256` is that of its one file, or of the set of its files."""

    id: str
    batch_id: str
    sample: str
    slide: str | None
    filename: str
    sha256: str
    height: int
    width: int
    channels: tuple[str, ...]
    bit_depth: int
    pixel_size_um: float | None
    sources: tuple[StoredSource, ...]
    layout: Layout
    created_at: datetime


@dataclass(frozen=True)
class NewImage:
    """A metaphase that is about to be recorded."""

    filename: str
    sources: tuple[StoredSource, ...]
    layout: Layout
    pixel_size_um: float | None

    @property
    def identity_sha256(self) -> str:
        """Hash of the files' contents and of how their planes become channels; names do not count."""
        sha256_by_file = {source.filename: source.sha256 for source in self.sources}
        planes = [[s.channel, sha256_by_file[s.file], s.plane] for s in self.layout.sources]
        return hashlib.sha256(json.dumps(planes).encode()).hexdigest()

    @property
    def sha256(self) -> str:
        """Hash of the only file, or the identity if there are several."""
        return self.sources[0].sha256 if len(self.sources) == 1 else self.identity_sha256


@dataclass(frozen=True)
class AnnotatedMasks:
    """Where the newest masks that a person drew for an image lie."""

    image_id: str
    object_key: str
    sha256: str
    annotator: str
    num_instances: int
    created_at: datetime


class ImageRepository:
    """Images and their annotated masks, through one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, image_id: str) -> Image:
        """One image; raises `NotFoundError`."""
        row = self._session.get(ImageRow, image_id)
        if row is None:
            raise NotFoundError("image", image_id)
        return _image(row)

    def require(self, image_ids: Sequence[str]) -> list[Image]:
        """All of these images, in this order; raises `NotFoundError` that names the missing ones."""
        query = select(ImageRow).where(ImageRow.id.in_(set(image_ids)))
        found = {row.id: _image(row) for row in self._session.scalars(query)}
        missing = [image_id for image_id in image_ids if image_id not in found]
        if missing:
            raise NotFoundError("image", ", ".join(missing[:MAX_NAMED_IN_ERROR]))
        return [found[image_id] for image_id in image_ids]

    def list_page(
        self, page: PageRequest, sample: str | None = None, batch_id: str | None = None
    ) -> Page[Image]:
        """Images in the order in which they arrived."""
        query = select(ImageRow).order_by(ImageRow.id).limit(page.limit + 1)
        if sample is not None:
            query = query.where(ImageRow.sample == sample)
        if batch_id is not None:
            query = query.where(ImageRow.batch_id == batch_id)
        if page.after is not None:
            query = query.where(ImageRow.id > page.after)
        return make_page([_image(row) for row in self._session.scalars(query)], page.limit, lambda i: i.id)

    def ids_of(self, sample: str) -> tuple[str, ...]:
        """Ids of all images of a sample that were not withdrawn."""
        query = select(ImageRow.id).where(ImageRow.sample == sample, ImageRow.withdrawn_at.is_(None))
        return tuple(self._session.scalars(query.order_by(ImageRow.id)))

    def add(self, image: NewImage, *, batch_id: str, sample: str, slide: str | None) -> tuple[str, bool]:
        """Record an image unless the sample already has it; returns its id, and whether it is new."""
        statement = insert(ImageRow).values(
            id=new_id("img"),
            batch_id=batch_id,
            sample=sample,
            slide=slide,
            filename=image.filename,
            sha256=image.sha256,
            identity_sha256=image.identity_sha256,
            height=image.layout.height,
            width=image.layout.width,
            channels=list(image.layout.channels),
            bit_depth=image.layout.bit_depth,
            pixel_size_um=image.pixel_size_um,
            sources=[asdict(source) for source in image.sources],
            layout=image.layout.to_json(),
        )
        statement = statement.on_conflict_do_nothing(index_elements=["sample", "identity_sha256"])
        added = self._session.scalar(statement.returning(ImageRow.id))
        if added is not None:
            return added, True
        query = select(ImageRow.id).where(
            ImageRow.sample == sample, ImageRow.identity_sha256 == image.identity_sha256
        )
        return self._session.scalars(query).one(), False

    def add_masks(
        self, image_id: str, object_key: str, sha256: str, annotator: str, num_instances: int
    ) -> None:
        """Record masks that a person drew; earlier ones are kept."""
        row: dict[str, Any] = {
            "id": new_id("msk"),
            "image_id": image_id,
            "object_key": object_key,
            "sha256": sha256,
            "annotator": annotator,
            "num_instances": num_instances,
        }
        self._session.execute(insert(ImageMasksRow).values(row))

    def newest_masks(self, image_ids: Sequence[str]) -> dict[str, AnnotatedMasks]:
        """The newest annotated masks of each image that has any."""
        row = ImageMasksRow
        query = (
            select(row)
            .where(row.image_id.in_(set(image_ids)))
            .ext(distinct_on(row.image_id))
            .order_by(row.image_id, row.id.desc())
        )
        return {
            m.image_id: AnnotatedMasks(
                m.image_id, m.object_key, m.sha256, m.annotator, m.num_instances, m.created_at
            )
            for m in self._session.scalars(query)
        }


def load_stack(store: ObjectStore, image: Image) -> ChannelStack:
    """Read an image's originals and decode them to (C, H, W) pixels."""
    contents = {source.filename: store.get(source.key) for source in image.sources}
    return decode(contents, image.layout)


def _image(row: ImageRow) -> Image:
    return Image(
        id=row.id,
        batch_id=row.batch_id,
        sample=row.sample,
        slide=row.slide,
        filename=row.filename,
        sha256=row.sha256,
        height=row.height,
        width=row.width,
        channels=tuple(row.channels),
        bit_depth=row.bit_depth,
        pixel_size_um=row.pixel_size_um,
        sources=tuple(StoredSource(**source) for source in row.sources),
        layout=Layout.from_json(row.layout),
        created_at=row.created_at,
    )
