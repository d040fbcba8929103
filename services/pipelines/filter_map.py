"""The maps of filters: of one that was just fitted, and of a job with the crops that it filtered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.filtering.filter import Filter
from models.quality.stopping import Check, never_stop
from services.errors import KaryobridgeError, TransientError
from services.jobs.context import JobContext
from services.log import get_logger
from services.pipelines.filter_data import SplitRows
from services.pipelines.filter_map_data import MapData, Series
from services.pipelines.filter_map_page import page
from services.pipelines.filter_map_series import (
    Sight,
    candidates_of,
    pictured,
    real_series,
    training_scores,
)
from services.pipelines.filter_pictures import plot
from services.storage.base import ObjectStore
from services.storage.keys import content_key, sha256_hex

# What a map may fail of without being our fault, or the fault of the verdicts.
_FAILURES = (KaryobridgeError, ValueError, ArithmeticError, LookupError, MemoryError)

log = get_logger(__name__)


def artifact_map(
    found: Filter, *, title: str, train: SplitRows, val: SplitRows, sight: Sight
) -> dict[str, bytes]:
    """Draw a filter that was just fitted.

    Parameters
    ----------
    train
        What the filter's map was fitted on, row for row.
    val
        Held-out crops, which may be none.

    Returns
    -------
    dict
        ``plot.png`` and ``map.html``.

    Raises
    ------
    ValueError
        `train` is not what the filter was fitted on.
    KaryobridgeError
        A crop or its pack is gone or damaged.
    """
    if len(train.items) != len(found.labels):
        raise ValueError(f"The filter was fitted on {len(found.labels)} crops, not on {len(train.items)}.")
    held_out = found.score(val.embeddings, threads=sight.threads, check=sight.check)
    train_ids, val_ids = ([item.crop_id for item in rows.items] for rows in (train, val))
    series = [
        *real_series(
            "real", training_scores(found, threads=sight.threads, check=sight.check), found.labels, train_ids
        ),
        *real_series("held-out", held_out, val.labels == 1, val_ids),
    ]
    spec = found.spec
    data = _map_of(found, title, pictured(series, spec.level, sight), spec.level, spec.max_percentile)
    return {"plot.png": plot(data), "map.html": page(data)}


def bare_map(found: Filter, *, title: str, threads: int = 1, check: Check = never_stop) -> dict[str, bytes]:
    """Draw a filter whose crops are not here, such as an imported one; returns files as `artifact_map`."""
    spec, scores = found.spec, training_scores(found, threads=threads, check=check)
    series = real_series("real", scores, found.labels)
    data = _map_of(found, title, series, spec.level, spec.max_percentile)
    return {"plot.png": plot(data), "map.html": page(data)}


def job_map(
    context: JobContext,
    sight: Sight,
    *,
    found: Filter,
    filter_ref: str,
    level: float,
    max_percentile: float | None,
) -> dict[str, Any]:
    """Draw what a filtering job decided beside the real crops, and store it.

    Returns
    -------
    dict
        ``status`` is ``made`` with ``html_key``, ``png_key`` and ``links``, or ``skipped`` or ``failed``
        with a ``reason``.

    Raises
    ------
    TransientError, JobInterruptedError
        Trying again later is right, or the job must not go on.
    """
    job_id = context.job.id
    try:
        candidates = candidates_of(job_id, sight)
        if not candidates:
            return {"status": "skipped", "reason": "the job has filtered no crop."}
        real = real_series(
            "real", training_scores(found, threads=sight.threads, check=sight.check), found.labels
        )
        series = [*real, *pictured(candidates, level, sight)]
        data = _map_of(found, f"Filter {filter_ref}, job {job_id}", series, level, max_percentile)
        files = {"html": page(data), "png": plot(data)}
    except TransientError:
        raise
    except _FAILURES as error:
        log.warning("no map", job_id=job_id, error=type(error).__name__, detail=str(error))
        return {"status": "failed", "reason": f"{str(error) or type(error).__name__}"}
    store = sight.resources.store
    return {
        "status": "made",
        **{f"{kind}_key": _put(store, content, f".{kind}") for kind, content in files.items()},
        "links": {"map": f"/v1/jobs/{job_id}/map.html", "map_picture": f"/v1/jobs/{job_id}/map.png"},
    }


def _map_of(
    found: Filter, title: str, series: Sequence[Series], level: float, max_percentile: float | None
) -> MapData:
    counted = ", ".join(f"{len(one):,} {one.name}" for one in series)
    subtitle = (
        f"{counted} by classifier {found.spec.classifier}. Method: {found.spec.method}. "
        "Real crops lie where the map puts them when it does not know them."
    )
    return MapData(title, subtitle, level, max_percentile, series, found.mixture)


def _put(store: ObjectStore, content: bytes, suffix: str) -> str:
    """Store a file beside the reports of generations; returns its key."""
    key = content_key("reports", sha256_hex(content), suffix)
    if not store.exists(key):
        store.put(key, content)
    return key
