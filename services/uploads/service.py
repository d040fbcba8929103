"""From uploaded files to stored images: group, inspect, store the bytes, record everything at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.config import Settings
from services.db.engine import SessionFactory
from services.db.tables import BatchRow
from services.errors import InvalidInputError, NotFoundError, problem_of
from services.ids import new_id
from services.images.errors import UploadRejectedError
from services.images.formats import inspect_source
from services.images.grouping import FileGroup, group_files
from services.images.layout import plan_layout
from services.images.limits import Budget, Limits
from services.images.repository import ImageRepository, NewImage, StoredSource
from services.pagination import Page, PageRequest, make_page
from services.storage.base import ObjectStore
from services.storage.keys import content_key, sha256_of_stream
from services.uploads.staging import StagedFile, staged
from services.uploads.types import Batch, BatchItem, BatchRequest, FileSource

MAX_FILES_PER_PAGE: Final = 10_000

SubmitJob = Callable[[Session, str, tuple[str, ...]], str]
"""Called in the recording transaction with (session, batch id, image ids); returns a job's id."""


@dataclass(frozen=True)
class _Prepared:
    """A group of files whose bytes are stored, or the reason why they are not."""

    group: FileGroup
    image: NewImage | None
    error: UploadRejectedError | None


class UploadService:
    """Takes batches in and finds them again."""

    def __init__(self, session_factory: SessionFactory, store: ObjectStore, settings: Settings) -> None:
        self._session_factory = session_factory
        self._store = store
        self._limits = Limits(
            max_file_bytes=settings.max_file_bytes,
            max_pixels=settings.max_image_pixels,
            max_zip_total_bytes=settings.max_zip_bytes,
        )
        self._max_decoded_bytes = settings.max_batch_decoded_bytes

    def receive(
        self,
        files: Sequence[FileSource],
        request: BatchRequest,
        submit: SubmitJob | None = None,
        *,
        session: Session | None = None,
    ) -> Batch:
        """Store a batch; the answer says for every file what became of it.

        Parameters
        ----------
        files
            What arrived, or is to be fetched; ZIPs are unpacked. Streams are read, never opened by name.
        submit
            Submits a job on the batch's images in the same transaction, so that neither exists
            without the other. The caller sends it to a worker afterwards.
        session
            Joins the caller's transaction, which is touched only when all bytes are stored.

        Raises
        ------
        InvalidInputError
            There is no file at all.
        """
        if not files:
            raise InvalidInputError("Send at least one file in 'files', or name one in 'uploads'.", "files")
        with staged(files, self._limits) as pieces:
            unreadable = [piece for piece in pieces if piece.path is None]
            by_name = {piece.filename: piece for piece in pieces if piece.path is not None}
            names = [piece.filename for piece in pieces if piece.path is not None]
            groups = group_files(names, request.channel_rule)
            limits = replace(self._limits, budget=Budget(self._max_decoded_bytes))
            prepared = [self._prepare(group, by_name, request, limits) for group in groups]
        refused = [
            BatchItem(
                piece.filename, "rejected", None, None if piece.error is None else problem_of(piece.error)
            )
            for piece in unreadable
        ]
        if session is not None:
            return self._record(session, request, prepared, refused, submit)
        with self._session_factory.begin() as own:
            return self._record(own, request, prepared, refused, submit)

    def get(self, batch_id: str) -> Batch:
        """One batch; raises `NotFoundError`."""
        with self._session_factory() as session:
            row = session.get(BatchRow, batch_id)
            if row is None:
                raise NotFoundError("batch", batch_id)
            return _batch(row)

    def list_page(self, page: PageRequest, sample: str | None = None) -> Page[Batch]:
        """Batches in the order in which they arrived.

        A page ends early where its batches have `MAX_FILES_PER_PAGE` files together: a thousand batches of
        ten thousand files would be a gigabyte.
        """
        files = func.jsonb_array_length(BatchRow.items)
        query = select(BatchRow.id, files).order_by(BatchRow.id).limit(page.limit + 1)
        if sample is not None:
            query = query.where(BatchRow.sample == sample)
        if page.after is not None:
            query = query.where(BatchRow.id > page.after)
        with self._session_factory() as session:
            found = session.execute(query).all()
            held = itertools.accumulate(number for _, number in found)
            fitting = sum(total <= MAX_FILES_PER_PAGE for total in held)
            limit = min(max(fitting, 1), page.limit)
            ids = [batch_id for batch_id, _ in found[: limit + 1]]
            rows = session.scalars(select(BatchRow).where(BatchRow.id.in_(ids)).order_by(BatchRow.id))
            return make_page([_batch(row) for row in rows], limit, lambda b: b.id)

    def _prepare(
        self, group: FileGroup, by_name: dict[str, StagedFile], request: BatchRequest, limits: Limits
    ) -> _Prepared:
        """Inspect a group's files and store their bytes."""
        if group.error is not None:
            return _Prepared(group, None, group.error)
        try:
            with ExitStack() as stack:
                streams = {
                    name: stack.enter_context(path.open("rb"))
                    for name in group.files
                    if (path := by_name[name].path) is not None
                }
                infos = {name: inspect_source(stream, name, limits) for name, stream in streams.items()}
                layout = plan_layout(group, infos, request.channel_rule)
                sources = []
                for name, stream in streams.items():
                    sha256 = sha256_of_stream(stream)
                    key = content_key("originals", sha256)
                    size_bytes = stream.seek(0, 2)
                    stream.seek(0)
                    if not self._store.exists(key):
                        self._store.put(key, stream)
                    sources.append(StoredSource(name, key, sha256, size_bytes))
        except UploadRejectedError as error:
            return _Prepared(group, None, error)
        pixel_size_um = request.pixel_size_um or layout.pixel_size_um
        return _Prepared(group, NewImage(group.name, tuple(sources), layout, pixel_size_um), None)

    def _record(
        self,
        session: Session,
        request: BatchRequest,
        prepared: Sequence[_Prepared],
        refused: Sequence[BatchItem],
        submit: SubmitJob | None,
    ) -> Batch:
        row = BatchRow(
            id=new_id("batch"),
            sample=request.sample,
            slide=request.slide,
            pixel_size_um=request.pixel_size_um,
            channel_rule=_rule_json(request),
            extra=dict(request.metadata),
            items=[],
        )
        session.add(row)
        session.flush()
        images = ImageRepository(session)
        items = [item for entry in prepared for item in _items(images, row, entry)] + list(refused)
        row.items = [asdict(item) for item in items]
        image_ids = tuple(dict.fromkeys(item.image_id for item in items if item.image_id is not None))
        if submit is not None and image_ids:
            row.job_id = submit(session, row.id, image_ids)
        session.flush()
        session.refresh(row)
        return _batch(row)


def _items(images: ImageRepository, batch: BatchRow, entry: _Prepared) -> list[BatchItem]:
    """Record one image; each of its files gets an item."""
    if entry.image is None:
        problem = None if entry.error is None else problem_of(entry.error)
        return [BatchItem(name, "rejected", None, problem) for name in entry.group.files]
    image_id, is_new = images.add(entry.image, batch_id=batch.id, sample=batch.sample, slide=batch.slide)
    return [BatchItem(name, "stored" if is_new else "duplicate", image_id) for name in entry.group.files]


def _rule_json(request: BatchRequest) -> dict[str, Any] | None:
    rule = request.channel_rule
    if rule is None:
        return None
    return {"patterns": rule.patterns and dict(rule.patterns), "planes": rule.planes and dict(rule.planes)}


def _batch(row: BatchRow) -> Batch:
    return Batch(
        id=row.id,
        sample=row.sample,
        slide=row.slide,
        pixel_size_um=row.pixel_size_um,
        metadata=row.extra,
        items=tuple(BatchItem(**item) for item in row.items),
        job_id=row.job_id,
        created_at=row.created_at,
    )
