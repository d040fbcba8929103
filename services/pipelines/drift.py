"""The watch that classification and scoring keep on their crops with the filter of their classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from services.artifacts.service import ArtifactService
from services.errors import KaryobridgeError, TransientError
from services.filtering.drift import OUTPUT, count_beyond, drift_of, no_drift
from services.jobs.types import Job
from services.log import get_logger
from services.pipelines.device import threads_of
from services.pipelines.resources import Resources
from services.predictions.types import EMBEDDING_DIMENSIONS

if TYPE_CHECKING:
    from models.filtering.filter import Filter

log = get_logger(__name__)


@dataclass(frozen=True)
class DriftGauge:
    """Counts an item's crops that lie far from the training data, if there is a filter to tell.

    Attributes
    ----------
    ref
        The filter, as an exact ``name/version``; empty without one.
    reason
        Why there is none.
    threads
        That search for neighbours; the figure does not depend on it.
    """

    ref: str = ""
    filter: Filter | None = None
    reason: str = ""
    threads: int = 1

    def outputs(self, embeddings: NDArray[np.float32]) -> dict[str, int]:
        """Return what an item tells of its (N, 512) embeddings; nothing without a filter."""
        if self.filter is None:
            return {}
        _, percentiles = self.filter.knn(embeddings, threads=self.threads)
        return {OUTPUT: count_beyond(percentiles)}

    def result(self, session: Session, job_id: str) -> dict[str, Any]:
        """Return what a job tells in the end, of all its items and whoever recorded them."""
        if self.filter is None:
            return no_drift(self.reason)
        return drift_of(session, job_id, self.ref).to_json()


def open_gauge(job: Job, resources: Resources) -> DriftGauge:
    """Open the filter that was picked when a job was submitted.

    A filter that cannot be used costs the job its figure and nothing else: crops are scored as ever.

    Raises
    ------
    TransientError
        The store is away.
    """
    ref = job.artifacts.get("filter")
    if ref is None:
        return DriftGauge(
            reason=f"No filter knows the training data of classifier {job.artifacts['classifier']}; fit one "
            "with a filter_fitting job and submit again."
        )
    # Jobs without a filter need not wait for numba.
    from services.filtering.loading import open_filter  # noqa: PLC0415

    try:
        with resources.session_factory() as session:
            artifacts = ArtifactService(session, resources.store)
            version = artifacts.resolve("filter", ref)
        found = open_filter(version, artifacts)
    except TransientError:
        raise
    except KaryobridgeError as error:
        log.warning("no drift figure", job_id=job.id, filter=ref, reason=str(error))
        return DriftGauge(reason=str(error))
    if found.manifold.dimensions != EMBEDDING_DIMENSIONS:
        return DriftGauge(
            reason=f"Filter {ref} takes embeddings of {found.manifold.dimensions} values, classifiers give "
            f"{EMBEDDING_DIMENSIONS}; fit it again."
        )
    return DriftGauge(ref, found, threads=threads_of(resources.settings))
