"""Filtering: packed crops in, coordinates and verdicts out, one pack at a time.

Memory holds one pack and one filter, however many crops the job has. A crop's embedding is read where
a job of the filter's classifier left it, and computed and kept where there is none; its verdict is the
same in both cases. One transaction records an item's scores with whatever was computed for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from models.classification.preprocessing import Preprocessing
from models.filtering.filter import Filter
from models.filtering.scores import FilterScores
from models.manifold.errors import ManifoldError
from models.segmentation.crops import CropPackError
from services import tracing
from services.artifacts.service import ArtifactService
from services.errors import NotFoundError
from services.filtering.decisions import Decision, decision_of_job
from services.filtering.drift import OUTPUT, count_beyond, drift_of
from services.filtering.loading import open_filter
from services.filtering.repository import FilterScoreRepository
from services.filtering.types import NewFilterScore
from services.jobs.context import JobContext
from services.jobs.types import Job, JobItem
from services.pipelines.device import threads_of
from services.pipelines.embeddings import Embedded, Embedder
from services.pipelines.errors import ItemError
from services.pipelines.filter_map import job_map
from services.pipelines.filter_map_series import Sight
from services.pipelines.resources import Resources
from services.pipelines.scores import MODEL_FAILURES, assemble, leaves_parts
from services.predictions.selection import read_selection
from services.storage.base import ObjectNotFoundError


@dataclass(frozen=True)
class Sieve:
    """An exact filter version, and where its sliders stand in this job."""

    ref: str
    filter: Filter
    decision: Decision

    def rows(self, crop_ids: Sequence[str], scores: FilterScores) -> list[NewFilterScore]:
        """Return what is recorded of N crops and their scores."""
        columns = (
            *scores.coordinates.astype(np.float64).T.tolist(),
            (None if component < 0 else component for component in scores.component.tolist()),
            (None if np.isnan(squared) else squared for squared in scores.mahalanobis2.tolist()),
            scores.needed_level.tolist(),
            scores.knn_distance.tolist(),
            scores.knn_percentile.tolist(),
            scores.kept(self.decision.level, self.decision.max_percentile).tolist(),
        )
        return [NewFilterScore(*row) for row in zip(crop_ids, *columns, strict=True)]


def run(context: JobContext, resources: Resources) -> dict[str, Any]:
    """Filter the crops of every pending pack; returns counts before and after, drift, map and links.

    Raises
    ------
    KaryobridgeError
        The filter, its classifier or the list of crops cannot be loaded; single packs that fail are
        recorded and passed over.
    """
    job = context.job
    leaves_parts(context, resources)
    sieve = open_sieve(job, resources)
    embedder = Embedder(resources, job.artifacts["classifier"])
    selection = read_selection(resources.store, job.inputs["selection_key"])
    for item in context.pending():
        context.check()
        context.begin(item)
        _run_item(context, resources, item, selection[item.position], sieve=sieve, embedder=embedder)
    computed = assemble(context, resources, job.artifacts["classifier"])
    with resources.session_factory() as session:
        counts = FilterScoreRepository(session).counts(job.id)
        drift = drift_of(session, job.id, sieve.ref)
    drawn = _map(context, resources, sieve)
    return {
        "crops": counts.before,
        "kept": counts.after,
        "counts": counts.to_json(),
        "embeddings": {"computed": computed, "reused": counts.before - computed},
        "filter": sieve.ref,
        "method": sieve.filter.spec.method,
        **sieve.decision.to_json(),
        "classifier": job.artifacts["classifier"],
        "drift": drift.to_json(),
        "map": drawn,
        "links": _links(job) | drawn.get("links", {}),
    }


def open_sieve(job: Job, resources: Resources) -> Sieve:
    """Load the filter of a job; it stays loaded in this process.

    A level that somebody set after the job had ended, which its result keeps, holds for what a retry adds;
    before that counts the request's, and then the filter's own.

    Raises
    ------
    KaryobridgeError
        The filter cannot be loaded.
    """
    with resources.session_factory() as session:
        artifacts = ArtifactService(session, resources.store)
        version = artifacts.resolve("filter", job.artifacts["filter"])
    found = open_filter(version, artifacts)
    if "level" in job.result:
        return Sieve(version.ref, found, decision_of_job(job))
    own = Decision(found.spec.level, found.spec.max_percentile)
    return Sieve(version.ref, found, own.moved(job.params["level"], job.params["max_percentile"]))


def _run_item(
    context: JobContext,
    resources: Resources,
    item: JobItem,
    crop_ids: Sequence[str],
    *,
    sieve: Sieve,
    embedder: Embedder,
) -> None:
    try:
        with tracing.span("embed"):
            embedded = embedder.embed(item.input_id, crop_ids)
        with tracing.span("filter"):
            scores = sieve.filter.score(
                embedded.embeddings, threads=threads_of(resources.settings), check=context.check
            )
    except (CropPackError, ManifoldError, *MODEL_FAILURES) as error:
        context.fail(item, ItemError.of(error))
    except (NotFoundError, ObjectNotFoundError) as error:
        context.fail(item, error)
    else:
        embedded.put_part(resources, item.job_id, item.position)
        rows = sieve.rows(crop_ids, scores)
        outputs = {
            "crops": len(rows),
            "kept": sum(row.kept for row in rows),
            "computed": embedded.num_computed,
            OUTPUT: count_beyond(scores.knn_percentile),
        }
        context.record(item, outputs, lambda session: _write(session, item, sieve.ref, rows, embedded))


def _write(
    session: Session, item: JobItem, filter_ref: str, rows: Sequence[NewFilterScore], embedded: Embedded
) -> None:
    embedded.write(session, item.job_id, item.position)
    FilterScoreRepository(session).add(item.job_id, filter_ref, item.position, rows)


def _map(context: JobContext, resources: Resources, sieve: Sieve) -> dict[str, Any]:
    """Draw what the job decided; a map that cannot be drawn costs nobody the verdicts."""
    context.progress(0, 0, "packs", "drawing the map")
    context.tell()
    with resources.session_factory() as session:
        classifier = ArtifactService(session, resources.store).resolve(
            "classifier", context.job.artifacts["classifier"]
        )
    drawn = job_map(
        context,
        Sight(
            resources=resources,
            preprocessing=Preprocessing.from_json(classifier.manifest["preprocessing"]),
            check=context.check,
            threads=threads_of(resources.settings),
        ),
        found=sieve.filter,
        filter_ref=sieve.ref,
        level=sieve.decision.level,
        max_percentile=sieve.decision.max_percentile,
    )
    context.progress(0, 0, "packs")
    return drawn


def _links(job: Job) -> dict[str, str]:
    crops = f"/v1/crops?filtered_by={job.id}"
    return {
        "kept": f"{crops}&kept=true",
        "rejected": f"{crops}&kept=false",
        "counts": f"/v1/jobs/{job.id}/filtering",
        "items": f"/v1/jobs/{job.id}/items",
        "csv": f"/v1/jobs/{job.id}/filter_scores.csv",
        "filter": f"/v1/artifacts/filter/{job.artifacts['filter']}",
    }
