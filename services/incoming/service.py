"""Promising, receiving and taking large files.

A client that holds a signed URL may replace the object until the URL expires, even while the object is
being read. So it is never read twice: it is copied to local disk once, and the copy is counted, checked,
hashed and stored like any other upload.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import BinaryIO, Final, cast

from sqlalchemy import event
from sqlalchemy.orm import Session

from services.auth import Caller
from services.clock import utc_now
from services.config import Settings
from services.db.engine import SessionFactory
from services.errors import InvalidInputError, NotFoundError
from services.ids import new_id
from services.images.errors import TooLargeError
from services.incoming.errors import UploadExpiredError, UploadIncompleteError, UploadUsedError
from services.incoming.repository import IncomingRepository
from services.incoming.types import IncomingFile, State
from services.log import get_logger
from services.storage.base import ObjectNotFoundError, ObjectStore, SignedRequest, StoreUnavailableError
from services.storage.keys import incoming_key

LIFETIME: Final = timedelta(hours=24)
_SPOOL_BYTES: Final = 16 * 1024**2

log = get_logger(__name__)


class IncomingSource:
    """A promised file as batches, data sets and artifacts take it: fetched when it is opened.

    Attributes
    ----------
    fetched
        Whether its bytes were there: what was not is not used up, and may be named again.
    """

    def __init__(self, file: IncomingFile, store: ObjectStore) -> None:
        self.file = file
        self.filename = file.filename
        self.fetched = False
        self._store = store

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Copy the file to local disk, for as long as the context lasts.

        Raises
        ------
        UploadIncompleteError
            It is not there, or has another size than was promised.
        """
        with tempfile.SpooledTemporaryFile(_SPOOL_BYTES, prefix="karyobridge-incoming-") as spool:
            copy = cast("BinaryIO", spool)
            self._fetch(copy)
            self.fetched = True
            yield copy

    def _fetch(self, target: BinaryIO) -> None:
        try:
            stored_bytes = self._store.size(self.file.object_key)
            # A store that was slow to notice a replacement may give other bytes than it counted.
            if stored_bytes == self.file.size_bytes:
                stored_bytes = _copy(self._store.stream(self.file.object_key), target, self.file.size_bytes)
        except ObjectNotFoundError as error:
            raise UploadIncompleteError(f"{self._told()} has not arrived; send it, then name it.") from error
        if stored_bytes != self.file.size_bytes:
            raise UploadIncompleteError(
                f"{self._told()} has {stored_bytes} bytes in the store, and {self.file.size_bytes} were "
                "promised; send it again whole."
            )
        target.seek(0)

    def _told(self) -> str:
        return f"Upload {self.file.id} ({self.filename})"


class IncomingService:
    """Promised files as the API sees them."""

    def __init__(self, session_factory: SessionFactory, store: ObjectStore, settings: Settings) -> None:
        self._session_factory = session_factory
        self._store = store
        self._max_bytes = settings.max_upload_bytes

    def promise(self, filename: str, size_bytes: int, caller: Caller, session: Session) -> IncomingFile:
        """Record a file that is to come.

        Raises
        ------
        TooLargeError
            It is larger than a request may be.
        """
        if size_bytes > self._max_bytes:
            raise TooLargeError(f"An upload may have at most {self._max_bytes} bytes.")
        now = utc_now()
        upload_id = new_id("upl")
        file = IncomingFile(
            id=upload_id,
            filename=filename,
            size_bytes=size_bytes,
            object_key=incoming_key(upload_id),
            created_by=caller.id,
            created_at=now,
            expires_at=now + LIFETIME,
            used_at=None,
        )
        IncomingRepository(session).add(file)
        return file

    def signed(self, file: IncomingFile) -> SignedRequest | None:
        """Let the client send the file to the store; None where only this service can take it."""
        left_s = (file.expires_at - utc_now()).total_seconds()
        return self._store.sign(file.object_key, "PUT", left_s)

    def get(self, upload_id: str, caller: Caller) -> IncomingFile:
        """One of the caller's files; raises `NotFoundError`, also for another caller's."""
        return self._owned([upload_id], caller)[0]

    def state(self, file: IncomingFile) -> State:
        """How far a file is."""
        if file.used_at is not None:
            return "used"
        if file.expires_at <= utc_now():
            return "expired"
        try:
            complete = self._store.size(file.object_key) == file.size_bytes
        except ObjectNotFoundError:
            return "waiting"
        return "received" if complete else "waiting"

    def usable(self, upload_id: str, caller: Caller) -> IncomingFile:
        """One of the caller's files whose bytes may still come.

        Raises
        ------
        NotFoundError, UploadUsedError, UploadExpiredError
        """
        file = self.get(upload_id, caller)
        _check_usable(file)
        return file

    def receive(self, file: IncomingFile, content: BinaryIO, size_bytes: int) -> None:
        """Store the bytes of a file that were sent to this service.

        Raises
        ------
        InvalidInputError
            They are not as many as were promised.
        """
        if size_bytes != file.size_bytes:
            raise InvalidInputError(
                f"The body has {size_bytes} bytes, and {file.size_bytes} were promised; send the file whole.",
                "size_bytes",
            )
        self._store.put(file.object_key, content)

    def sources(
        self, ids: Sequence[str], caller: Caller, *, max_bytes: int, sent_bytes: int = 0
    ) -> list[IncomingSource]:
        """Find files that are to be taken, in the order of the ids; nothing is fetched yet.

        Parameters
        ----------
        max_bytes
            What a request may carry, promised files and what it sent itself together.
        sent_bytes
            What it sent itself.

        Raises
        ------
        NotFoundError
            There is none of that id, or it belongs to another caller.
        UploadUsedError, UploadExpiredError
            It cannot be taken any more.
        InvalidInputError
            An id came twice.
        TooLargeError
            They are too large together.
        """
        if not ids:
            return []
        if len(set(ids)) < len(ids):
            raise InvalidInputError("An upload is named twice.", "uploads")
        files = self._owned(ids, caller)
        for file in files:
            _check_usable(file)
        if sum(file.size_bytes for file in files) + sent_bytes > max_bytes:
            raise TooLargeError(f"The files have more than {max_bytes} bytes together; name fewer at once.")
        return [IncomingSource(file, self._store) for file in files]

    def use(self, sources: Sequence[IncomingSource], session: Session) -> None:
        """Mark what was fetched as used, and remove its objects once the caller's transaction is committed.

        Raises
        ------
        UploadUsedError
            Another request took one of them in the meantime.
        """
        taken = {source.file.id: source.file for source in sources if source.fetched}
        if not taken:
            return
        marked = IncomingRepository(session).mark_used(taken)
        for upload_id in taken.keys() - marked:
            raise _used(upload_id)
        event.listen(session, "after_commit", partial(self._remove, list(taken.values())), once=True)

    def _owned(self, ids: Sequence[str], caller: Caller) -> list[IncomingFile]:
        with self._session_factory() as session:
            found = IncomingRepository(session).find(ids)
        files = []
        for upload_id in ids:
            file = found.get(upload_id)
            if file is None or not (file.created_by == caller.id or "admin" in caller.scopes):
                raise NotFoundError("upload", upload_id)
            files.append(file)
        return files

    def _remove(self, files: Sequence[IncomingFile], _: Session) -> None:
        try:
            for file in files:
                self._store.delete(file.object_key)
        except StoreUnavailableError as error:
            # It is done again when the upload expires, see `services.incoming.expiry`.
            log.warning("used uploads were not removed", reason=str(error))


def _copy(pieces: Iterator[bytes], target: BinaryIO, max_bytes: int) -> int:
    """Copy until there are too many; returns how many bytes there were, or were seen."""
    copied_bytes = 0
    for piece in pieces:
        copied_bytes += len(piece)
        if copied_bytes > max_bytes:
            break
        target.write(piece)
    return copied_bytes


def _check_usable(file: IncomingFile) -> None:
    if file.used_at is not None:
        raise _used(file.id)
    if file.expires_at <= utc_now():
        raise UploadExpiredError(f"Upload {file.id} was not used in time; promise and send the file anew.")


def _used(upload_id: str) -> UploadUsedError:
    return UploadUsedError(f"Upload {upload_id} was used already; promise and send the file anew.")
