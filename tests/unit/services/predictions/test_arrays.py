from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from services.predictions.arrays import (
    HEADER_BYTES,
    EmbeddingsDamagedError,
    joined,
    npy_header,
    part_bytes,
    read_part,
    read_places,
    read_rows,
)
from services.predictions.types import EmbeddingPlace, EmbeddingSet
from services.storage.base import ObjectNotFoundError
from services.storage.factory import open_store
from services.storage.keys import sha256_hex
from services.storage.obstore_store import ObstoreStore

ROWS = np.random.default_rng(0).normal(size=(5, 512)).astype(np.float32)


class CountingStore(ObstoreStore):
    """A store in memory that notes how many rows each read asks for."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.rows: list[int] = []

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read, and note it."""
        self.rows.append(length // 2048)
        return super().get_range(key, start, length)


class TestHeader:
    @given(st.integers(0, 10**12))
    def test_is_numpys(self, num_rows: int) -> None:
        """NumPy reads it, and its length never changes."""
        stream = io.BytesIO(npy_header(num_rows))
        version = np.lib.format.read_magic(stream)

        assert HEADER_BYTES == len(stream.getvalue())
        assert (1, 0) == version
        assert ((num_rows, 512), False, np.dtype("<f4")) == np.lib.format.read_array_header_1_0(stream)


class TestParts:
    def test_come_back(self) -> None:
        """A part is a whole file by itself, and its rows are its bytes."""
        content = part_bytes(ROWS)

        assert ROWS.tobytes() == np.load(io.BytesIO(content), allow_pickle=False).tobytes()
        assert ROWS.tobytes() == read_part("key", content, 5)

    @pytest.mark.parametrize("content", [b"", part_bytes(ROWS)[:-1], part_bytes(ROWS[:4]), b"x" * 10_368])
    def test_of_another_size_are_refused(self, content: bytes) -> None:
        """Rows that would push all others out of place are noticed."""
        with pytest.raises(EmbeddingsDamagedError, match="classify the crops again"):
            read_part("key", content, 5)


class TestJoined:
    def test_is_one_file(self) -> None:
        """Parts in a row read as one array, whose digest is that of its bytes."""
        with joined([ROWS[:2].tobytes(), ROWS[2:].tobytes()], 5) as (stream, sha256):
            content = stream.read()

        assert ROWS.tobytes() == np.load(io.BytesIO(content), allow_pickle=False).tobytes()
        assert sha256_hex(content) == sha256


class TestReadRows:
    @pytest.mark.parametrize(("first", "count"), [(0, 1), (4, 1), (1, 3), (0, 5)])
    def test_reads_what_is_asked_for(self, first: int, count: int) -> None:
        """Any rows come without the others."""
        store = open_store("memory:///")
        store.put("key", part_bytes(ROWS))
        kept = EmbeddingSet("job", "c/1", "key", "", 5)

        assert ROWS[first : first + count].tobytes() == read_rows(store, kept, first, count).tobytes()

    def test_object_that_is_too_short(self) -> None:
        """A cut object is a named error, not a row of something else."""
        store = open_store("memory:///")
        store.put("key", part_bytes(ROWS)[:-4])
        with pytest.raises(EmbeddingsDamagedError):
            read_rows(store, EmbeddingSet("job", "c/1", "key", "", 5), 4, 1)


class TestReadPlaces:
    def test_come_in_their_order_from_wherever_they_lie(self) -> None:
        """Rows of several sets, near and far from each other, some of them twice."""
        store = open_store("memory:///")
        rows = np.random.default_rng(1).normal(size=(5000, 512)).astype(np.float32)
        sets = [EmbeddingSet(f"job_{n}", "c/1", f"key_{n}", "", len(rows)) for n in range(2)]
        store.put("key_0", part_bytes(rows))
        store.put("key_1", part_bytes(-rows))
        chosen = [(0, 4999), (1, 7), (0, 0), (0, 1), (1, 7), (0, 40), (1, 2500), (0, 33)]
        chosen += [(0, row) for row in range(0, 5000, 30)]
        found = read_places(store, [EmbeddingPlace(sets[number], row) for number, row in chosen])
        expected = np.stack([(-rows if number else rows)[row] for number, row in chosen])

        assert expected.tobytes() == found.tobytes()

    def test_neighbours_are_one_read(self) -> None:
        """A pack's crops, which one job embedded in a row, cost one request and not one each."""
        store = CountingStore()
        store.put("key", part_bytes(np.tile(ROWS, (100, 1))))
        kept = EmbeddingSet("job", "c/1", "key", "", 500)
        read_places(store, [EmbeddingPlace(kept, row) for row in range(100, 164)])
        read_places(store, [EmbeddingPlace(kept, row) for row in (0, 499)])

        assert [64, 1, 1] == store.rows

    def test_of_none(self) -> None:
        """Nothing is read for nothing."""
        assert (0, 512) == read_places(open_store("memory:///"), []).shape

    def test_object_that_is_gone(self) -> None:
        """It is named."""
        with pytest.raises(ObjectNotFoundError, match="key"):
            read_places(open_store("memory:///"), [EmbeddingPlace(EmbeddingSet("j", "c/1", "key", "", 5), 0)])
