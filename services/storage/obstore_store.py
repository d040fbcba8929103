"""The one implementation of the seam, over obstore: folder, memory, S3, GCS and Azure alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import BinaryIO, Literal

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store
from obstore.store import ObjectStore as Backend

from services.log import get_logger
from services.redaction import redact
from services.storage.base import ObjectNotFoundError, SignedRequest, StoreUnavailableError

STREAM_CHUNK_BYTES = 1024**2
_PROBE_KEY = "probe"
# Vendors' codes for a bucket that does not exist, which would otherwise look like a missing object.
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")


Signer = S3Store | GCSStore | AzureStore

log = get_logger(__name__)


class ObstoreStore:
    """Objects behind an obstore backend; no vendor exception leaves this class.

    Parameters
    ----------
    signer
        Signs requests for clients: the same store, under the address that they know. None: nothing is signed.
    """

    def __init__(self, backend: Backend, signer: Signer | None = None) -> None:
        self._backend = backend
        self._signer = signer

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

    def size(self, key: str) -> int:
        """Tell how many bytes an object has."""
        with _translated(key):
            return obstore.head(self._backend, key)["size"]

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens if there is none."""
        try:
            with _translated(key):
                obstore.delete(self._backend, key)
        except ObjectNotFoundError:
            return

    def sign(self, key: str, method: Literal["GET", "PUT"], expires_in_s: float) -> SignedRequest | None:
        """Let somebody without credentials read or write one object for a while."""
        if self._signer is None:
            return None
        try:
            with _translated(key):
                url = obstore.sign(self._signer, method, key, timedelta(seconds=expires_in_s))
        except StoreUnavailableError as error:
            # Credentials that may use the store need not be able to sign; there is a way without.
            log.warning("the object store cannot sign", reason=str(error))
            return None
        azure = isinstance(self._signer, AzureStore) and method == "PUT"
        return SignedRequest(method, url, {"x-ms-blob-type": "BlockBlob"} if azure else {})

    def check(self) -> None:
        """Raise `StoreUnavailableError` unless the store answers a look-up.

        It is asked for a list, because a store says only then that the whole bucket is missing.
        """
        with _translated(_PROBE_KEY):
            obstore.list(self._backend, prefix=_PROBE_KEY).collect()

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
    except (BaseError, OSError) as error:
        if any(code in str(error) for code in _NO_BUCKET):
            raise StoreUnavailableError("The object store's bucket does not exist.") from error
        if isinstance(error, FileNotFoundError):
            raise ObjectNotFoundError(key) from error
        # A vendor's answer may quote a signed address.
        first_line = redact(str(error).partition("\n")[0])
        raise StoreUnavailableError(f"The object store failed on {key!r}: {first_line}") from error
