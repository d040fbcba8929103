"""Embeddings of crops, and the crops that lie near each other in them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.crops.repository import CropRepository
from services.db.engine import SessionFactory
from services.errors import KaryobridgeError, NotFoundError
from services.predictions.arrays import read_rows
from services.predictions.classifiers import exact_classifier
from services.predictions.repository import PredictionRepository
from services.predictions.types import (
    CropEmbedding,
    EmbeddingPlace,
    EmbeddingSet,
    Neighbour,
    NeighbourFilter,
)
from services.storage.base import ObjectStore

MAX_NEIGHBOURS: Final = 100
# Rows that nobody asked for are read along, if that saves a request to the store.
_GAP_ROWS: Final = 256
_BLOCK_ROWS: Final = 4096  # eight megabytes

Found = tuple[float, str, str]
"""Distance, crop id, job id: ordered by distance, and by id where distances are equal."""


class EmbeddingService:
    """Reads embeddings where they lie; only rows that are needed leave the store."""

    def __init__(self, session_factory: SessionFactory, store: ObjectStore) -> None:
        self._session_factory = session_factory
        self._store = store

    def embedding(self, crop_id: str, classifier: str | None = None) -> CropEmbedding:
        """A crop's newest embedding, of one classifier or of any.

        Raises
        ------
        NotFoundError
            There is no such crop or classifier, or the crop has no embedding.
        """
        place = self._place(crop_id, classifier)
        (row,) = read_rows(self._store, place.embeddings, place.row, 1)
        return CropEmbedding(place.embeddings.classifier, place.embeddings.job_id, row)

    def similar(
        self, crop_id: str, k: int, classifier: str | None = None, wanted: NeighbourFilter | None = None
    ) -> list[Neighbour]:
        """The `k` crops that lie nearest to a crop in one classifier version's embedding.

        Every crop counts once, with its newest embedding of that version. Distances are Euclidean, and
        computed exactly; memory holds one block of rows, however many there are.

        Parameters
        ----------
        classifier
            Default: the one that made the crop's newest embedding.

        Raises
        ------
        NotFoundError
            As for `embedding`.
        """
        place = self._place(crop_id, classifier)
        (target,) = read_rows(self._store, place.embeddings, place.row, 1).astype(np.float64)
        nearest: list[Found] = []
        with self._session_factory() as session:
            predictions = PredictionRepository(session)
            for embeddings in predictions.sets_of(place.embeddings.classifier):
                blocks = predictions.candidates(embeddings, wanted or NeighbourFilter(), crop_id)
                for block in blocks:
                    for run in _runs(block):
                        nearest = heapq.nsmallest(k, nearest + self._nearest(embeddings, run, target, k))
            return predictions.neighbours(nearest)

    def _nearest(
        self, embeddings: EmbeddingSet, run: Sequence[tuple[int, str]], target: NDArray[np.float64], k: int
    ) -> list[Found]:
        """The best of some rows that lie close to each other in the array."""
        first = run[0][0]
        rows = read_rows(self._store, embeddings, first, run[-1][0] - first + 1)
        picked = rows[[row - first for row, _ in run]].astype(np.float64)
        distances = np.sqrt(np.square(picked - target).sum(axis=1))
        found = zip(distances.tolist(), (crop_id for _, crop_id in run), strict=True)
        return heapq.nsmallest(k, ((distance, crop, embeddings.job_id) for distance, crop in found))

    def _place(self, crop_id: str, classifier: str | None) -> EmbeddingPlace:
        with self._session_factory() as session:
            exact = None if classifier is None else exact_classifier(session, classifier)
            place = PredictionRepository(session).place_of(crop_id, exact)
            if place is None and CropRepository(session).get(crop_id) is None:
                raise NotFoundError("crop", crop_id)
        if place is None:
            raise EmbeddingMissingError(crop_id, exact)
        return place


class EmbeddingMissingError(NotFoundError):
    """Nobody has classified the crop, or the job that did has not ended."""

    code = "embedding_missing"
    title = "The crop has no embedding"

    def __init__(self, crop_id: str, classifier: str | None) -> None:
        by = "" if classifier is None else f" by classifier {classifier}"
        KaryobridgeError.__init__(
            self,
            f"There is no embedding of crop {crop_id!r}{by}: submit a classification job with it, or wait "
            "until the one that runs has ended.",
        )


def _runs(block: Sequence[tuple[int, str]]) -> Iterator[Sequence[tuple[int, str]]]:
    """Cut ascending rows where they lie far apart, or become too many for one read."""
    start = 0
    for end in range(1, len(block) + 1):
        if (
            end == len(block)
            or block[end][0] - block[end - 1][0] > _GAP_ROWS
            or block[end][0] - block[start][0] >= _BLOCK_ROWS
        ):
            yield block[start:end]
            start = end
