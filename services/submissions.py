"""From what a client asks for to a job: inputs found, references turned into exact versions.

An alias is resolved here, once: the job's row keeps the version, so its result can always be
explained, whatever ``production`` means by the time it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

from sqlalchemy.orm import Session

from services.artifacts.service import ArtifactService
from services.artifacts.types import check_kind
from services.db.engine import SessionFactory
from services.db.tables import BatchRow
from services.errors import InvalidInputError, NotFoundError, UnsupportedHereError
from services.images.repository import Image, ImageRepository
from services.jobs.kinds import spec_of
from services.jobs.params import (
    ArtifactImportParams,
    DiagnosticRequest,
    JobRequest,
    SegmentationRequest,
    SegmenterTrainingRequest,
    params_of,
)
from services.jobs.service import JobService
from services.jobs.types import Job
from services.storage.base import ObjectStore
from services.storage.keys import content_key, sha256_of_stream

IMPORTABLE_KINDS = ("segmenter",)


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
            An image, a batch or an artifact does not exist.
        InvalidInputError
            The selection holds no image.
        """
        if session is None:
            with self._session_factory.begin() as own:
                return self.submit(request, request_id, session=own)
        if isinstance(request, DiagnosticRequest):
            return self._add(session, request, request_id, inputs={}, item_ids=())
        images = self._selected(session, request)
        image_ids = [image.id for image in images]
        # A training job is one piece of work: its images are inputs, but not items.
        item_ids = image_ids if isinstance(request, SegmentationRequest) else ()
        return self._add(
            session,
            request,
            request_id,
            inputs=_shown_inputs(request, image_ids),
            item_ids=item_ids,
            sample=_common_sample(images),
        )

    def add_segmentation(
        self, session: Session, batch_id: str, image_ids: Sequence[str], request_id: str | None = None
    ) -> Job:
        """Submit a segmentation with defaults in the transaction that stores the batch."""
        request = SegmentationRequest(kind="segmentation", batch_id=batch_id)
        images = ImageRepository(session).require(list(image_ids))
        inputs = {"batch_id": batch_id, "images": len(images)}
        return self._add(
            session,
            request,
            request_id,
            inputs=inputs,
            item_ids=[image.id for image in images],
            sample=_common_sample(images),
        )

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
        UnsupportedHereError
            Weights of this kind cannot be imported by this version.
        """
        if check_kind(kind) not in IMPORTABLE_KINDS:
            raise UnsupportedHereError(
                f"This version imports {', '.join(IMPORTABLE_KINDS)} weights, not those of a {kind}."
            )
        sha256 = sha256_of_stream(stream)
        key = content_key("artifacts", sha256)
        if not self._store.exists(key):
            self._store.put(key, stream)
        return self._jobs.submit(
            "artifact_import",
            params.model_dump(mode="json"),
            inputs={"object_key": key, "filename": filename[:200], "sha256": sha256},
            request_id=request_id,
            session=session,
        )

    def _selected(
        self, session: Session, request: SegmentationRequest | SegmenterTrainingRequest
    ) -> list[Image]:
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

    def _add(
        self,
        session: Session,
        request: JobRequest,
        request_id: str | None,
        *,
        inputs: dict[str, Any],
        item_ids: Sequence[str],
        sample: str | None = None,
    ) -> Job:
        spec = spec_of(request.kind)
        artifacts = {}
        for role, kind in spec.artifact_roles.items():
            ref = getattr(request, role)
            if ref is not None:
                artifacts[role] = ArtifactService(session, self._store).resolve(kind, ref).ref
        return self._jobs.submit(
            request.kind,
            params_of(request, spec.params_model),
            inputs=inputs,
            item_ids=item_ids,
            artifacts=artifacts,
            sample=sample,
            external_id=request.external_id,
            request_id=request_id,
            session=session,
        )


def _shown_inputs(
    request: SegmentationRequest | SegmenterTrainingRequest, image_ids: list[str]
) -> dict[str, Any]:
    """What the job shows as its inputs; a poll of a large job must stay small, its items say the rest."""
    if isinstance(request, SegmenterTrainingRequest) or request.image_ids is not None:
        return {"image_ids": image_ids}
    if request.batch_id is not None:
        return {"batch_id": request.batch_id, "images": len(image_ids)}
    return {"sample": request.sample, "images": len(image_ids)}


def _common_sample(images: Sequence[Image]) -> str | None:
    samples = {image.sample for image in images}
    return samples.pop() if len(samples) == 1 else None
