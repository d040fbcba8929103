"""The one implementation of the seam, over obstore: folder, memory, S3, GCS and Azure alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore as Backend

from services.storage.base import ObjectNotFoundError, StoreUnavailableError

STREAM_CHUNK_BYTES = 1024**2
_PROBE_KEY = "probe"


class ObstoreStore:
    """Objects behind an obstore backend; no vendor exception leaves this class."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Write an object whole or not at all; an existing one is replaced."""
        with _translated(key):
            obstore.put(self._backend, key, data)

    def get(self, key: str) -> bytes:
        """Read a whole object."""
        with _translated(key):
            return bytes(obstore.get(self._backend, key).bytes())

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read `length` bytes from byte `start` on, fewer where the object ends."""
        with _translated(key):
            return bytes(obstore.get_range(self._backend, key, start=start, length=length))

    def stream(self, key: str) -> Iterator[bytes]:
        """Yield an object in pieces; a missing one is noticed before the first piece."""
        with _translated(key):
            result = obstore.get(self._backend, key)
        return self._pieces(key, iter(result.stream(min_chunk_size=STREAM_CHUNK_BYTES)))

    def exists(self, key: str) -> bool:
        """Whether an object lies under the key."""
        try:
            with _translated(key):
                obstore.head(self._backend, key)
        except ObjectNotFoundError:
            return False
        return True

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens if there is none."""
        try:
            with _translated(key):
                obstore.delete(self._backend, key)
        except ObjectNotFoundError:
            return

    def check(self) -> None:
        """Raise `StoreUnavailableError` unless the store answers a look-up."""
        self.exists(_PROBE_KEY)

    @staticmethod
    def _pieces(key: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
        while True:
            with _translated(key):
                piece = next(pieces, None)
            if piece is None:
                return
            yield bytes(piece)


@contextmanager
def _translated(key: str) -> Iterator[None]:
    """Turn the library's exceptions into ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectNotFoundError(key) from error
    except (BaseError, OSError) as error:
        first_line = str(error).partition("\n")[0]
        raise StoreUnavailableError(f"The object store failed on {key!r}: {first_line}") from error
