"""From the parts that a job's items left to one array of all its embeddings.

An item's embeddings are stored before the item is recorded, under a key of the job. When all items
are through, the parts are joined, and only then do rows of the database point into the result. A
worker that dies anywhere on the way leaves nothing that the next one cannot repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.db.engine import SessionFactory
from services.jobs.errors import LeaseLostError
from services.predictions.arrays import joined, part_bytes, read_part
from services.predictions.repository import PredictionRepository
from services.predictions.types import EmbeddingSet
from services.storage.base import ObjectStore
from services.storage.keys import checkpoint_key, content_key

PART_DIGITS: Final = 6


def part_key(job_id: str, position: int) -> str:
    """Key of the embeddings of one item."""
    return checkpoint_key(job_id, f"embeddings-{position:0{PART_DIGITS}d}.npy")


def put_part(store: ObjectStore, job_id: str, position: int, embeddings: NDArray[np.float32]) -> None:
    """Store an item's embeddings, in the order of its crops' ids.

    Parameters
    ----------
    embeddings : (N, 512) float32
    """
    if len(embeddings):
        store.put(part_key(job_id, position), part_bytes(embeddings))


def discard_parts(session_factory: SessionFactory, store: ObjectStore, job_id: str) -> None:
    """Delete a job's parts if all its items succeeded; a retry of others would ask for them again."""
    with session_factory() as session:
        predictions = PredictionRepository(session)
        positions = [position for position, _ in predictions.rows_by_item(job_id)]
        if predictions.count_unsuccessful_items(job_id):
            return
    for position in positions:
        store.delete(part_key(job_id, position))


class EmbeddingAssembler:
    """Joins the parts of jobs.

    Parameters
    ----------
    check
        Called between parts; raises when the job must not go on.
    """

    def __init__(
        self, session_factory: SessionFactory, store: ObjectStore, check: Callable[[], None]
    ) -> None:
        self._session_factory = session_factory
        self._store = store
        self._check = check

    def assemble(self, job_id: str, classifier: str) -> EmbeddingSet | None:
        """Join what the job has recorded so far, unless that was done; None if it has no prediction.

        Raises
        ------
        ObjectNotFoundError, EmbeddingsDamagedError
            A part is gone or broken.
        LeaseLostError
            Another worker recorded items meanwhile; the job is its own now.
        """
        with self._session_factory() as session:
            items = PredictionRepository(session).rows_by_item(job_id)
            existing = PredictionRepository(session).get_set(job_id)
        num_rows = sum(number for _, number in items)
        if num_rows == 0 or (existing is not None and existing.num_rows == num_rows):
            return existing
        with joined(self._parts(job_id, items), num_rows) as (stream, sha256):
            key = content_key("embeddings", sha256, ".npy")
            if not self._store.exists(key):
                self._store.put(key, stream)
        made = EmbeddingSet(job_id, classifier, key, sha256, num_rows)
        self._check()
        with self._session_factory.begin() as session:
            predictions = PredictionRepository(session)
            predictions.lock_job(job_id)
            if predictions.rows_by_item(job_id) != items:
                raise LeaseLostError(job_id)
            predictions.put_set(made)
        return made

    def _parts(self, job_id: str, items: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        for position, num_rows in items:
            self._check()
            key = part_key(job_id, position)
            yield read_part(key, self._store.get(key), num_rows)
