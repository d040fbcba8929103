"""A job's predictions as one table, for spreadsheets (CSV) and data frames (Parquet).

Tables are read page by page in short transactions and sent as they are read: neither memory nor a
database connection is held for as long as the slowest client takes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from services.db.engine import SessionFactory
from services.errors import ConflictError, NotFoundError
from services.jobs.repository import JobRepository
from services.predictions.arrays import read_rows
from services.predictions.repository import PredictionRepository
from services.predictions.types import EMBEDDING_DIMENSIONS, EmbeddingSet, ExportRow
from services.spreadsheets import csv_pieces
from services.storage.base import ObjectStore

PREDICTING_KINDS: Final = ("classification", "scoring")

COLUMNS: Final = pa.schema(
    [
        pa.field("crop_id", pa.string(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
        ("image_id", pa.string()),
        ("sample", pa.string()),
        ("slide", pa.string()),
        ("filename", pa.string()),
        ("label", pa.int32()),
        *((edge, pa.int32()) for edge in ("y0", "x0", "y1", "x1")),
        ("area_px", pa.int64()),
        ("flags", pa.string()),
        pa.field("classifier", pa.string(), nullable=False),
        pa.field("predicted_class", pa.string(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),
        ("annotated_class", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
    ]
)
_EMBEDDING: Final = pa.field("embedding", pa.list_(pa.float32(), EMBEDDING_DIMENSIONS))


class PredictionExport:
    """Tables of jobs that have ended."""

    def __init__(self, session_factory: SessionFactory, store: ObjectStore) -> None:
        self._session_factory = session_factory
        self._store = store

    def csv(self, job_id: str) -> Iterator[bytes]:
        """UTF-8 CSV in pieces; a cell that a spreadsheet would run is preceded by an apostrophe.

        Raises
        ------
        NotFoundError
            There is no such job, or it does not classify.
        ConflictError
            The job has not ended: half a table looks like a whole one.
        """
        self._require(job_id)
        pages = ((row.cells for row in rows) for rows in self._pages(job_id))
        return csv_pieces(COLUMNS.names, pages)

    def parquet(self, job_id: str, *, embeddings: bool = False) -> Iterator[bytes]:
        """Parquet in pieces.

        Parameters
        ----------
        embeddings
            Add a column ``embedding``: a list of 512 float32.

        Raises
        ------
        NotFoundError, ConflictError
            As for `csv`; also if embeddings are asked for and the job has none.
        """
        self._require(job_id)
        kept = None
        if embeddings:
            with self._session_factory() as session:
                kept = PredictionRepository(session).get_set(job_id)
            if kept is None:
                raise ConflictError(
                    f"Job {job_id} kept no embeddings, because it classified nothing or was stopped; "
                    "classify the crops again, or leave embeddings out."
                )
        return self._parquet_pieces(job_id, kept)

    def _require(self, job_id: str) -> None:
        with self._session_factory() as session:
            job = JobRepository(session).get(job_id)
        if job.kind not in PREDICTING_KINDS:
            raise NotFoundError("predictions of job", job_id)
        if not job.is_terminal:
            raise ConflictError(f"Job {job_id} is {job.status}; export it when it has ended.")

    def _pages(self, job_id: str) -> Iterator[list[ExportRow]]:
        after = None
        while True:
            with self._session_factory() as session:
                rows = PredictionRepository(session).export_page(job_id, after)
            if not rows:
                return
            yield rows
            after = (rows[-1].position, rows[-1].crop_id)

    def _parquet_pieces(self, job_id: str, kept: EmbeddingSet | None) -> Iterator[bytes]:
        schema = COLUMNS if kept is None else COLUMNS.append(_EMBEDDING)
        sink = _Sink()
        with pq.ParquetWriter(pa.PythonFile(sink, "w"), schema, compression="zstd") as writer:
            for rows in self._pages(job_id):
                cells = [row.cells for row in rows]
                columns: list[Any] = [
                    pa.array([row[field.name] for row in cells], field.type) for field in COLUMNS
                ]
                if kept is not None:
                    columns.append(self._embeddings(kept, rows))
                writer.write_batch(pa.record_batch(columns, schema=schema))
                yield sink.taken()
        yield sink.taken()

    def _embeddings(self, kept: EmbeddingSet, rows: Sequence[ExportRow]) -> pa.Array:
        numbers = [row.embedding_row for row in rows]
        known = [number for number in numbers if number is not None]
        values: NDArray[np.float32] = np.zeros((len(rows), EMBEDDING_DIMENSIONS), np.float32)
        if known:
            block = read_rows(self._store, kept, min(known), max(known) - min(known) + 1)
            for index, number in enumerate(numbers):
                if number is not None:
                    values[index] = block[number - min(known)]
        absent = pa.array([number is None for number in numbers])
        return pa.FixedSizeListArray.from_arrays(values.ravel(), EMBEDDING_DIMENSIONS, mask=absent)


class _Sink(io.RawIOBase):
    """What a Parquet writer writes to; the pieces are taken away as they come."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """Yes, and nothing else."""
        return True

    def write(self, content: Any, /) -> int:
        """Keep a piece until it is taken."""
        self._pieces.append(bytes(content))
        return len(self._pieces[-1])

    def taken(self) -> bytes:
        """Everything since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
