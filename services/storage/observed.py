"""A store that is watched: how long each operation takes, what it moves, what fails; and a span for each.

It stands before the real one in the API and in workers, so no other code has to think of measuring.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final, Literal

from prometheus_client import CollectorRegistry, Counter, Histogram

from services import tracing
from services.storage.base import ObjectStore, SignedRequest, StoreUnavailableError

SECONDS_BUCKETS: Final = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class StoreMetrics:
    """The figures of one process; the registry is the application's own, as with HTTP's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "karyobridge_store_operation_seconds",
            "Seconds that the object store took, failures included; of a stream, to its first byte.",
            ("operation",),
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.errors = Counter(
            "karyobridge_store_errors",
            "Operations that failed because the object store was away, full or refused us.",
            ("operation",),
            registry=registry,
        )
        self.moved = Counter(
            "karyobridge_store_bytes",
            "Bytes written to (put) and read from (get) the object store.",
            ("direction",),
            registry=registry,
        )


class ObservedStore:
    """Another store, measured."""

    def __init__(self, store: ObjectStore, metrics: StoreMetrics) -> None:
        self._store = store
        self._metrics = metrics

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Write an object whole or not at all; an existing one is replaced."""
        size_bytes = len(data) if isinstance(data, bytes) else _size_bytes(data)
        with self._observed("put", key):
            self._store.put(key, data)
        self._metrics.moved.labels("put").inc(size_bytes)

    def get(self, key: str) -> bytes:
        """Read a whole object."""
        with self._observed("get", key):
            data = self._store.get(key)
        self._metrics.moved.labels("get").inc(len(data))
        return data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read `length` bytes from byte `start` on, fewer where the object ends."""
        with self._observed("get_range", key):
            data = self._store.get_range(key, start, length)
        self._metrics.moved.labels("get").inc(len(data))
        return data

    def stream(self, key: str) -> Iterator[bytes]:
        """Yield an object in pieces; a missing one is noticed before the first piece."""
        with self._observed("stream", key):
            pieces = self._store.stream(key)
        return self._counted(pieces)

    def exists(self, key: str) -> bool:
        """Whether an object lies under the key."""
        with self._observed("exists", key):
            return self._store.exists(key)

    def size(self, key: str) -> int:
        """Tell how many bytes an object has."""
        with self._observed("size", key):
            return self._store.size(key)

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens if there is none."""
        with self._observed("delete", key):
            self._store.delete(key)

    def sign(self, key: str, method: Literal["GET", "PUT"], expires_in_s: float) -> SignedRequest | None:
        """Let somebody without credentials read or write one object; that itself is not measured here."""
        return self._store.sign(key, method, expires_in_s)

    def check(self) -> None:
        """Raise `StoreUnavailableError` unless the store answers; a probe is not measured."""
        self._store.check()

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        moved = self._metrics.moved.labels("get")
        try:
            for piece in pieces:
                moved.inc(len(piece))
                yield piece
        except StoreUnavailableError:
            self._metrics.errors.labels("stream").inc()
            raise

    @contextmanager
    def _observed(self, operation: str, key: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            with tracing.span(f"store {operation}", attributes={"karyobridge.store.key": key}):
                yield
        except StoreUnavailableError:
            self._metrics.errors.labels(operation).inc()
            raise
        finally:
            self._metrics.seconds.labels(operation).observe(time.perf_counter() - started)


def _size_bytes(stream: BinaryIO) -> int:
    """Count what is left of a stream, which is where a store begins to read."""
    here = stream.tell()
    end = stream.seek(0, 2)
    stream.seek(here)
    return end - here
