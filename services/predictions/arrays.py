"""Embedding arrays as objects: NumPy files with a header of fixed length, read row by row.

The fixed header makes the place of a row a matter of arithmetic, so one embedding of a large job is
one read of two kilobytes. Any program that knows ``.npy`` reads the whole.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from services.errors import KaryobridgeError
from services.predictions.types import EMBEDDING_DIMENSIONS, EmbeddingPlace, EmbeddingSet
from services.storage.base import ObjectStore

HEADER_BYTES: Final = 128
_MAGIC: Final = b"\x93NUMPY\x01\x00"
_LENGTH_BYTES: Final = 2
_DTYPE: Final = np.dtype("<f4")
_FAR_ROWS: Final = 32
"""To read so many rows in vain, 64 KB, costs less than another request."""
_LONGEST_READ_ROWS: Final = 4096


class EmbeddingsDamagedError(KaryobridgeError):
    """A stored array is not what its row says."""

    code = "embeddings_damaged"
    title = "Stored embeddings are damaged"

    def __init__(self, key: str) -> None:
        super().__init__(f"The embeddings under {key!r} are not whole; classify the crops again.")


def npy_header(num_rows: int, dimensions: int = EMBEDDING_DIMENSIONS) -> bytes:
    """Return the first `HEADER_BYTES` bytes of a (num_rows, dimensions) float32 ``.npy`` file."""
    text = f"{{'descr': '{_DTYPE.str}', 'fortran_order': False, 'shape': ({num_rows}, {dimensions}), }}"
    length = HEADER_BYTES - len(_MAGIC) - _LENGTH_BYTES
    return _MAGIC + length.to_bytes(_LENGTH_BYTES, "little") + text.ljust(length - 1).encode("ascii") + b"\n"


def part_bytes(embeddings: NDArray[np.float32]) -> bytes:
    """Serialise (N, 512) float32 embeddings of one item."""
    content = np.ascontiguousarray(embeddings, _DTYPE)
    return npy_header(*content.shape) + content.tobytes()


def read_part(key: str, content: bytes, num_rows: int) -> bytes:
    """Return the bytes of the rows of a part, after a check that there are `num_rows` of them.

    Raises
    ------
    EmbeddingsDamagedError
    """
    rows = content[HEADER_BYTES:]
    whole = content[:HEADER_BYTES] == npy_header(num_rows)
    if not whole or len(rows) != num_rows * EMBEDDING_DIMENSIONS * _DTYPE.itemsize:
        raise EmbeddingsDamagedError(key)
    return rows


@contextmanager
def joined(parts: Iterable[bytes], num_rows: int) -> Iterator[tuple[BinaryIO, str]]:
    """Join rows into one ``.npy`` file on disk; memory holds one part.

    Yields
    ------
    (stream, sha256)
        The file at its start, and the hex digest of its content.
    """
    with tempfile.TemporaryFile() as stream:
        digest = hashlib.sha256()
        for piece in chain([npy_header(num_rows)], parts):
            stream.write(piece)
            digest.update(piece)
        stream.seek(0)
        yield stream, digest.hexdigest()


def read_rows(store: ObjectStore, embeddings: EmbeddingSet, first: int, count: int) -> NDArray[np.float32]:
    """Read some rows of a set without the others.

    Returns
    -------
    (count, dimensions) float32

    Raises
    ------
    ObjectNotFoundError
        The object is gone from the store.
    EmbeddingsDamagedError
        It is shorter than its row says.
    """
    row_bytes = embeddings.dimensions * _DTYPE.itemsize
    content = store.get_range(embeddings.object_key, HEADER_BYTES + first * row_bytes, count * row_bytes)
    if len(content) != count * row_bytes:
        raise EmbeddingsDamagedError(embeddings.object_key)
    return np.frombuffer(content, _DTYPE).reshape(count, embeddings.dimensions).astype(np.float32, copy=False)


def read_places(store: ObjectStore, places: Sequence[EmbeddingPlace]) -> NDArray[np.float32]:
    """Read embeddings wherever they lie, in few reads: neighbours in a set come together.

    Returns
    -------
    (N, 512) float32, in the order of `places`.

    Raises
    ------
    ObjectNotFoundError, EmbeddingsDamagedError
    """
    found = np.empty((len(places), EMBEDDING_DIMENSIONS), np.float32)
    by_set: dict[EmbeddingSet, list[int]] = {}
    for index, place in enumerate(places):
        by_set.setdefault(place.embeddings, []).append(index)
    for embeddings, indices in by_set.items():
        for run in _runs(sorted(indices, key=lambda index: places[index].row), places):
            first, last = places[run[0]].row, places[run[-1]].row
            rows = read_rows(store, embeddings, first, last - first + 1)
            for index in run:
                found[index] = rows[places[index].row - first]
    return found


def _runs(indices: Sequence[int], places: Sequence[EmbeddingPlace]) -> Iterator[list[int]]:
    """Cut indices, ascending by row, where the next row is far, or a read would become long."""
    run: list[int] = []
    for index in indices:
        row = places[index].row
        far = run and row - places[run[-1]].row > _FAR_ROWS
        if far or (run and row - places[run[0]].row >= _LONGEST_READ_ROWS):
            yield run
            run = []
        run.append(index)
    if run:
        yield run
