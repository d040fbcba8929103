"""Predictions and embeddings as a finished job leaves them, without running a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, update

from api.wiring import Wiring
from services.db.tables import JobRow
from services.predictions.assembly import EmbeddingAssembler, put_part
from services.predictions.repository import PredictionRepository
from services.predictions.types import NewPrediction


def new_job(wiring: Wiring, kind: str = "classification") -> str:
    """Submit a job of a kind that nobody will run."""
    params = {"items": 1} if kind == "diagnostic" else {}
    return wiring.jobs.submit(kind, params).id


def end(wiring: Wiring, job_id: str, status: str = "succeeded") -> None:
    """Write the end of a job."""
    with wiring.sessions.begin() as session:
        session.execute(
            update(JobRow).where(JobRow.id == job_id).values(status=status, finished_at=func.now())
        )


def predict(
    wiring: Wiring,
    classifier: str,
    probabilities: dict[str, float],
    embeddings: NDArray[np.float32] | None = None,
    *,
    job_id: str | None = None,
    per_item: int = 100,
) -> str:
    """Record what a classification job would: rows, mirrors, and the array of its embeddings.

    Parameters
    ----------
    embeddings : (N, 512) float32
        In ascending order of crop ids; None leaves the array out, as a job that was stopped.
    per_item
        Crops per item of the job.
    """
    job_id = job_id or new_job(wiring)
    crop_ids = sorted(probabilities)
    for position, start in enumerate(range(0, len(crop_ids), per_item)):
        part = crop_ids[start : start + per_item]
        with wiring.sessions.begin() as session:
            PredictionRepository(session).add(job_id, classifier, position, _new(part, probabilities))
        if embeddings is not None:
            put_part(wiring.store, job_id, position, embeddings[start : start + per_item])
    if embeddings is not None:
        EmbeddingAssembler(wiring.sessions, wiring.store, lambda: None).assemble(job_id, classifier)
    end(wiring, job_id)
    return job_id


def _new(crop_ids: Sequence[str], probabilities: dict[str, float]) -> list[NewPrediction]:
    return [
        NewPrediction(one, "aberration" if probabilities[one] >= 0.5 else "normal", probabilities[one])
        for one in crop_ids
    ]
