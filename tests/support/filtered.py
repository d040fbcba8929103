"""Filtering jobs on random embeddings, and what lists show of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from api.wiring import Wiring
from services.jobs.params import FilteringRequest
from services.jobs.types import Job
from services.predictions.types import EMBEDDING_DIMENSIONS
from tests.support.imported import import_crops
from tests.support.jobs import run_here
from tests.support.predicted import predict

CROPS = 12
SEED = 71


def embeddings_of(number: int, seed: int = 0) -> NDArray[np.float32]:
    """Random embeddings."""
    return np.random.default_rng(seed).normal(size=(number, EMBEDDING_DIMENSIONS)).astype(np.float32)


def filtered(wiring: Wiring, classifier: str, ref: str, crop_ids: tuple[str, ...] = (), **fields: Any) -> Job:
    """Run a filtering of some crops, or of new ones."""
    crop_ids = crop_ids or import_crops(wiring, CROPS, seed=SEED)
    predict(wiring, classifier, dict.fromkeys(crop_ids, 0.5), embeddings_of(len(crop_ids), SEED))
    request = FilteringRequest(kind="filtering", crop_ids=crop_ids, filter=ref, **fields)
    done = run_here(wiring, wiring.submissions.submit(request).id)

    assert done.status == "succeeded", done.error
    return done


def pages(client: httpx.Client, **params: Any) -> list[Mapping[str, Any]]:
    """Follow the cursors of a list of crops, five at a time."""
    seen: list[Mapping[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = client.get("/v1/crops", params={"limit": 5, **params} | cursor)

        assert answer.status_code == 200, answer.text
        seen += answer.json()["items"]
        if answer.json()["next_cursor"] is None:
            return seen
        cursor = {"cursor": answer.json()["next_cursor"]}


def ids(client: httpx.Client, **params: Any) -> list[str]:
    """Ids of a list of crops."""
    return [crop["id"] for crop in pages(client, **params)]


def needed(client: httpx.Client, job: Job) -> dict[str, float]:
    """Each crop's needed level, by a job."""
    return {
        crop["id"]: score["needed_level"]
        for crop in pages(client, filtered_by=job.id)
        for score in crop["filter_scores"]
        if score["job_id"] == job.id
    }
