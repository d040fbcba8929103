"""What classification, scoring and filtering share: the classifier, an item's scores, a job's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from models.classification.classifier import Classifier, ClassifierError, ClassifierSpec
from models.classification.preprocessing import PreprocessingError
from models.state_files import WeightsError
from services import tracing
from services.artifacts.service import ArtifactService
from services.jobs.context import JobContext
from services.jobs.types import Job
from services.pipelines.device import device_of
from services.pipelines.drift import DriftGauge, open_gauge
from services.pipelines.errors import ItemError
from services.pipelines.resources import Resources
from services.predictions.assembly import EmbeddingAssembler, discard_parts
from services.predictions.classifiers import require_trained
from services.predictions.repository import PredictionRepository
from services.predictions.types import NewPrediction

MODEL_FAILURES = (PreprocessingError, ClassifierError)
"""What one item may do to itself; made fit for its row by `ItemError.of`."""


@dataclass(frozen=True)
class Judge:
    """An exact classifier version, the threshold of this job, and what watches for drift."""

    ref: str
    classifier: Classifier
    threshold: float
    gauge: DriftGauge

    def judge(self, crop_ids: Sequence[str], canvases: NDArray[np.uint8]) -> Judgement:
        """Classify crops.

        Parameters
        ----------
        crop_ids
            Of N crops, ascending.
        canvases : (N, 3, S, S) uint8

        Raises
        ------
        PreprocessingError, ClassifierError
        """
        with tracing.span("classify"):
            scores = self.classifier.score(canvases)
        predictions = [
            NewPrediction(crop_id, "aberration" if p >= self.threshold else "normal", p)
            for crop_id, p in zip(crop_ids, scores.probabilities.tolist(), strict=True)
        ]
        return Judgement(self.ref, predictions, scores.embeddings, self.gauge.outputs(scores.embeddings))


@dataclass(frozen=True)
class Judgement:
    """What is recorded of an item's N crops.

    Attributes
    ----------
    embeddings : (N, 512) float32
    drift
        What the item tells of it; empty where nothing watches.
    """

    classifier: str
    predictions: Sequence[NewPrediction]
    embeddings: NDArray[np.float32]
    drift: Mapping[str, int]

    @property
    def outputs(self) -> dict[str, Any]:
        """What the item shows to the client."""
        return {
            "aberrations": sum(one.predicted_class == "aberration" for one in self.predictions),
            "max_probability": max((one.probability for one in self.predictions), default=None),
            **self.drift,
        }

    def write(self, session: Session, job_id: str, position: int) -> None:
        """Insert the predictions, and move the crops' mirrors on."""
        PredictionRepository(session).add(job_id, self.classifier, position, self.predictions)


def open_judge(job: Job, resources: Resources) -> Judge:
    """Load the classifier of a job; its network stays loaded in this process.

    Raises
    ------
    KaryobridgeError
        The classifier was never trained, or cannot be loaded.
    """
    ref, classifier = open_classifier(job.artifacts["classifier"], resources)
    own = job.params["threshold"]
    threshold = classifier.spec.threshold if own is None else own
    return Judge(ref, classifier, threshold, open_gauge(job, resources))


def open_classifier(ref: str, resources: Resources) -> tuple[str, Classifier]:
    """Load a classifier version; returns its ``name/version`` too. Raises as `open_judge`."""
    device = device_of(resources.settings)
    with resources.session_factory() as session:
        artifacts = ArtifactService(session, resources.store)
        version = artifacts.resolve("classifier", ref)
        require_trained(version)

    def load() -> Classifier:
        weights = artifacts.open_file(version, "weights.safetensors")
        return Classifier(weights, ClassifierSpec.from_manifest(version.manifest), device)

    try:
        key = ("classifier", version.sha256, str(device))
        return version.ref, resources.cache.get_or_load(key, load)
    except WeightsError as error:
        raise ItemError.of(error) from error


def close(context: JobContext, resources: Resources, judge: Judge) -> dict[str, Any]:
    """Put the embeddings of a job's items together; returns what both kinds of job tell in the end.

    Works for whatever has been recorded, by this attempt or by earlier ones.
    """
    job_id = context.job.id
    embeddings = assemble(context, resources, judge.ref)
    with resources.session_factory() as session:
        totals = PredictionRepository(session).totals(job_id)
        drift = judge.gauge.result(session, job_id)
    return {
        "crops": totals.crops,
        "classes": {"normal": totals.normal, "aberration": totals.aberration},
        "embeddings": embeddings,
        "classifier": judge.ref,
        "threshold": judge.threshold,
        "drift": drift,
        "links": {
            "items": f"/v1/jobs/{job_id}/items",
            "csv": f"/v1/jobs/{job_id}/predictions.csv",
            "parquet": f"/v1/jobs/{job_id}/predictions.parquet",
        },
    }


def leaves_parts(context: JobContext, resources: Resources) -> None:
    """Have the parts that this attempt may leave removed, should another one end the job before it does."""
    forget = partial(discard_parts, resources.session_factory, resources.store, context.job.id)
    context.when_overtaken(forget)


def assemble(context: JobContext, resources: Resources, classifier: str) -> int:
    """Join the embeddings that a job's items left into one array; returns how many there are."""
    assembler = EmbeddingAssembler(resources.session_factory, resources.store, context.check)
    embeddings = assembler.assemble(context.job.id, classifier)
    discard_parts(resources.session_factory, resources.store, context.job.id)
    return 0 if embeddings is None else embeddings.num_rows
