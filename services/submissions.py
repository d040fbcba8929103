"""From what a client asks for to a job: inputs found, references turned into exact versions.

An alias is resolved here, once: the job's row keeps the version, so its result can always be
explained, whatever ``production`` means by the time it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, Literal

from sqlalchemy.orm import Session

from services.artifacts.service import ArtifactService
from services.artifacts.types import check_uploaded
from services.datasets.simulated import check_difficulty
from services.db.engine import SessionFactory
from services.db.tables import BatchRow
from services.errors import InvalidInputError, NotFoundError
from services.filtering.selection import classifier_of, filter_for
from services.generation.methods import canvas_px_of, check_params, method_of, sampling_of
from services.generation.selection import select_sources, store_batches
from services.images.repository import Image, ImageRepository
from services.jobs.kinds import spec_of
from services.jobs.params import (
    ArtifactImportParams,
    ClassificationRequest,
    ClassifierTrainingRequest,
    DiagnosticRequest,
    FilterFittingRequest,
    FilteringRequest,
    GenerationRequest,
    GeneratorTrainingRequest,
    JobRequest,
    ScoringRequest,
    SegmentationRequest,
    SegmenterTrainingRequest,
    SimulationRequest,
    StudyRequest,
    params_of,
)
from services.jobs.service import JobService
from services.jobs.types import Job, PriorityName
from services.predictions.classifiers import require_trained
from services.predictions.selection import require_dataset, select_crops
from services.storage.base import ObjectStore
from services.storage.keys import content_key, sha256_of_stream
from services.studies.generators import refs_of
from services.studies.service import prepare

# These read what a classifier says, so it must have been trained; training may start from any.
_CLASSIFYING_KINDS: Final = ("classification", "scoring", "generation", "filter_fitting")
# These tell whether their crops look like the classifier's training data, if a filter knows that.
_DRIFTING_KINDS: Final = ("classification", "scoring")
# Whose embeddings a quality report compares, where the request names nobody.
_USUAL_CLASSIFIER: Final = "translocation/production"

BatchProcess = Literal["segmentation", "scoring"]
ImageRequest = SegmentationRequest | SegmenterTrainingRequest | ScoringRequest


@dataclass(frozen=True)
class _Inputs:
    """What a job works on.

    Attributes
    ----------
    shown
        What its row shows; a poll of a large job must stay small, its items say the rest.
    item_ids
        One per item. Empty for work of one piece, such as a training.
    sample
        The one sample that all inputs belong to.
    """

    shown: dict[str, Any] = field(default_factory=dict)
    item_ids: Sequence[str] = ()
    sample: str | None = None


class SubmissionService:
    """Validates requests against what is stored, and submits them."""

    def __init__(self, session_factory: SessionFactory, store: ObjectStore, jobs: JobService) -> None:
        self._session_factory = session_factory
        self._store = store
        self._jobs = jobs

    def submit(
        self, request: JobRequest, request_id: str | None = None, *, session: Session | None = None
    ) -> Job:
        """Submit the job that a client describes.

        Parameters
        ----------
        session
            Joins the caller's transaction, so that its Idempotency-Key is kept with the job or not at all.

        Raises
        ------
        NotFoundError
            An input or an artifact does not exist.
        InvalidInputError
            The selection holds nothing, or the classifier was never trained.
        ConflictError
            The inputs are still being made, or the filter's classifier is not here.
        """
        if session is None:
            with self._session_factory.begin() as own:
                return self.submit(request, request_id, session=own)
        inputs = self._inputs(session, request)
        return self._add(session, request, self._resolved(session, request), inputs, request_id)

    def check_process(self, process: BatchProcess) -> None:
        """Make sure, before anything is uploaded, that a batch can be processed like this.

        Raises
        ------
        NotFoundError, InvalidInputError
            An artifact that it needs by default is missing or not trained.
        """
        with self._session_factory() as session:
            self._resolved(session, _batch_request(process, "batch"))

    def add_for_batch(
        self,
        session: Session,
        process: BatchProcess,
        batch_id: str,
        image_ids: Sequence[str],
        *,
        priority: PriorityName = "normal",
        request_id: str | None = None,
    ) -> Job:
        """Submit a job with defaults in the transaction that stores the batch."""
        request = _batch_request(process, batch_id, priority)
        images = ImageRepository(session).require(list(image_ids))
        shown = {"batch_id": batch_id, "images": len(images)}
        inputs = _Inputs(shown, [image.id for image in images], _common_sample(images))
        return self._add(session, request, self._resolved(session, request), inputs, request_id)

    def import_artifact(
        self,
        kind: str,
        params: ArtifactImportParams,
        stream: BinaryIO,
        filename: str,
        request_id: str | None = None,
        *,
        session: Session | None = None,
    ) -> Job:
        """Store uploaded weights and submit their conversion to an artifact version.

        Raises
        ------
        InvalidInputError
            There is no such kind of artifact, or it is one that is never uploaded.
        """
        check_uploaded(kind)
        sha256 = sha256_of_stream(stream)
        key = content_key("artifacts", sha256)
        if not self._store.exists(key):
            self._store.put(key, stream)
        return self._jobs.submit(
            "artifact_import",
            params.model_dump(mode="json"),
            inputs={"kind": kind, "object_key": key, "filename": filename[:200], "sha256": sha256},
            request_id=request_id,
            session=session,
        )

    def _inputs(self, session: Session, request: JobRequest) -> _Inputs:
        if isinstance(request, SimulationRequest):
            check_difficulty(request.preset, request.difficulty)
        if isinstance(request, DiagnosticRequest | SimulationRequest):
            return _Inputs()
        if isinstance(request, ClassifierTrainingRequest | GeneratorTrainingRequest | FilterFittingRequest):
            require_dataset(session, request.dataset)
            return _Inputs({"dataset": request.dataset})
        if isinstance(request, StudyRequest):
            prepared = prepare(session, self._store, request)
            return _Inputs({"dataset": request.dataset, "generators": refs_of(prepared.generators)})
        if isinstance(request, ClassificationRequest | FilteringRequest):
            selection = select_crops(session, request)
            shown = {**selection.shown, "selection_key": selection.store(self._store)}
            return _Inputs(shown, list(selection.packs), selection.sample)
        if isinstance(request, GenerationRequest):
            return self._sources(session, request)
        images = _selected_images(session, request)
        image_ids = [image.id for image in images]
        # A training job is one piece of work: its images are inputs, but not items.
        item_ids = () if isinstance(request, SegmenterTrainingRequest) else image_ids
        return _Inputs(_shown_images(request, image_ids), item_ids, _common_sample(images))

    def _sources(self, session: Session, request: GenerationRequest) -> _Inputs:
        """The crops that synthetic ones are made from, after a check that the generator can do what is asked.

        A generation belongs to no sample, even where all its sources do.
        """
        generator = ArtifactService(session, self._store).resolve("generator", request.generator)
        check_params(generator, request)
        if request.reference is not None:
            require_dataset(session, request.reference)
        selection = select_sources(
            session, request, method=method_of(generator), canvas_px=canvas_px_of(generator)
        )
        shown = {**selection.shown, "selection_key": store_batches(self._store, selection.batches)}
        if method_of(generator) == "bbdm":
            shown["sampling"] = sampling_of(generator, request)
        return _Inputs(shown, [batch.pack_key for batch in selection.batches])

    def _resolved(self, session: Session, request: JobRequest) -> dict[str, str]:
        """The exact version that each of the request's references means now."""
        versions = {}
        artifacts = ArtifactService(session, self._store)
        for role, kind in spec_of(request.kind).artifact_roles.items():
            ref = getattr(request, role, None)
            if ref is None:
                continue
            version = artifacts.resolve(kind, ref)
            versions[role] = version.ref
            if kind == "filter":
                versions["classifier"] = classifier_of(session, version).ref
            elif kind == "classifier" and request.kind in _CLASSIFYING_KINDS:
                require_trained(version)
                if request.kind in _DRIFTING_KINDS and (found := filter_for(session, version)) is not None:
                    versions["filter"] = found.ref
        if isinstance(request, GenerationRequest) and request.quality and request.classifier is None:
            versions |= _usual_classifier(artifacts)
        return versions

    def _add(
        self,
        session: Session,
        request: JobRequest,
        artifacts: dict[str, str],
        inputs: _Inputs,
        request_id: str | None,
    ) -> Job:
        return self._jobs.submit(
            request.kind,
            params_of(request, spec_of(request.kind).params_model),
            inputs=inputs.shown,
            item_ids=inputs.item_ids,
            artifacts=artifacts,
            sample=inputs.sample,
            external_id=request.external_id,
            request_id=request_id,
            priority=request.priority,
            session=session,
        )


def _batch_request(
    process: BatchProcess, batch_id: str, priority: PriorityName = "normal"
) -> SegmentationRequest | ScoringRequest:
    if process == "scoring":
        return ScoringRequest(kind="scoring", batch_id=batch_id, priority=priority)
    return SegmentationRequest(kind="segmentation", batch_id=batch_id, priority=priority)


def _usual_classifier(artifacts: ArtifactService) -> dict[str, str]:
    """The classifier of a quality report, if this installation has one that was trained."""
    try:
        version = artifacts.resolve("classifier", _USUAL_CLASSIFIER)
        require_trained(version)
    except (NotFoundError, InvalidInputError):
        return {}
    return {"classifier": version.ref}


def _selected_images(session: Session, request: ImageRequest) -> list[Image]:
    """The images that a request names, by ids, batch or sample."""
    images = ImageRepository(session)
    if request.image_ids is not None:
        return images.require(request.image_ids)
    if request.batch_id is not None:
        batch = session.get(BatchRow, request.batch_id)
        if batch is None:
            raise NotFoundError("batch", request.batch_id)
        ids = dict.fromkeys(item["image_id"] for item in batch.items if item["image_id"])
        what = f"Batch {request.batch_id}"
    else:
        ids = dict.fromkeys(images.ids_of(request.sample or ""))
        what = f"Sample {request.sample}"
    if not ids:
        raise InvalidInputError(f"{what} has no image; upload some with POST /v1/batches.")
    return images.require(list(ids))


def _shown_images(request: ImageRequest, image_ids: list[str]) -> dict[str, Any]:
    if isinstance(request, SegmenterTrainingRequest) or request.image_ids is not None:
        return {"image_ids": image_ids}
    if request.batch_id is not None:
        return {"batch_id": request.batch_id, "images": len(image_ids)}
    return {"sample": request.sample, "images": len(image_ids)}


def _common_sample(images: Sequence[Image]) -> str | None:
    samples = {image.sample for image in images}
    return samples.pop() if len(samples) == 1 else None
