"""The embeddings of packed crops by one classifier version: read where a job left them, else computed.

Both are the same bits, as the classifier computes a crop alone and in any company alike; so whatever is
made of them does not depend on which it was. Nothing is loaded before something has to be computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from models.segmentation.crops import CropPack
from services.crops.canvases import canvases_of_crops
from services.crops.repository import CropRepository
from services.log import get_logger
from services.pipelines.drift import DriftGauge
from services.pipelines.resources import Resources
from services.pipelines.scores import Judge, Judgement, open_classifier
from services.predictions.arrays import EmbeddingsDamagedError, read_places
from services.predictions.assembly import put_part
from services.predictions.repository import PredictionRepository
from services.predictions.types import EMBEDDING_DIMENSIONS
from services.storage.base import ObjectNotFoundError

log = get_logger(__name__)


@dataclass(frozen=True)
class Embedded:
    """Embeddings of N crops, and what was computed for them.

    Attributes
    ----------
    embeddings : (N, 512) float32
        In the order of the crops.
    computed
        What the classifier said of the crops that no job had embedded; None if there was none.
    """

    embeddings: NDArray[np.float32]
    computed: Judgement | None

    @property
    def num_computed(self) -> int:
        """Of the crops."""
        return 0 if self.computed is None else len(self.computed.predictions)

    def put_part(self, resources: Resources, job_id: str, position: int) -> None:
        """Store what was computed, before the item is recorded, as a classification job does."""
        if self.computed is not None:
            put_part(resources.store, job_id, position, self.computed.embeddings)

    def write(self, session: Session, job_id: str, position: int) -> None:
        """Record what was computed as predictions of this job's item."""
        if self.computed is not None:
            self.computed.write(session, job_id, position)


class Embedder:
    """Embeds packs of crops.

    Parameters
    ----------
    classifier
        An exact ``name/version``.
    """

    def __init__(self, resources: Resources, classifier: str) -> None:
        self._resources = resources
        self._ref = classifier
        self._judge: Judge | None = None

    def embed(self, pack_key: str, crop_ids: Sequence[str]) -> Embedded:
        """Embed crops that share a pack.

        Parameters
        ----------
        crop_ids
            Of N crops, ascending.

        Raises
        ------
        NotFoundError, ObjectNotFoundError, CropPackError
            A crop or its pack is gone, or the pack is damaged, and there was something to compute.
        PreprocessingError, ClassifierError
            A crop cannot be classified.
        KaryobridgeError
            The classifier cannot be loaded.
        """
        stored = self._stored(crop_ids)
        missing = [crop_id for crop_id in crop_ids if crop_id not in stored]
        computed = self._compute(pack_key, missing) if missing else None
        if computed is not None:
            stored |= dict(zip(missing, computed.embeddings, strict=True))
        embeddings = np.empty((len(crop_ids), EMBEDDING_DIMENSIONS), np.float32)
        for row, crop_id in enumerate(crop_ids):
            embeddings[row] = stored[crop_id]
        return Embedded(embeddings, computed)

    def _stored(self, crop_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        with self._resources.session_factory() as session:
            places = PredictionRepository(session).places_of(crop_ids, self._ref)
        try:
            rows = read_places(self._resources.store, list(places.values()))
        except (ObjectNotFoundError, EmbeddingsDamagedError) as error:
            # The crops are still there, and their embeddings are the same when they are computed again.
            log.warning("stored embeddings not used", classifier=self._ref, reason=str(error))
            return {}
        return dict(zip(places, rows, strict=True))

    def _compute(self, pack_key: str, crop_ids: Sequence[str]) -> Judgement:
        if self._judge is None:
            ref, classifier = open_classifier(self._ref, self._resources)
            self._judge = Judge(ref, classifier, classifier.spec.threshold, DriftGauge())
        with self._resources.session_factory() as session:
            crops = CropRepository(session).packed(crop_ids)
        pack = CropPack.from_npz(self._resources.store.get(pack_key))
        return self._judge.judge(
            crop_ids, canvases_of_crops(pack, crops, self._judge.classifier.spec.preprocessing)
        )
