"""The end of a generation job: what it made beside the real aberrations that it should resemble.

A bounded sample is looked at, drawn by the job's seed. A report that cannot be made is told in the
job's result, and costs none of the crops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from models.classification.classifier import Classifier
from models.classification.preprocessing import Preprocessing
from models.quality.report import MAX_CROPS
from models.segmentation.crops import CropPack
from services.crops.canvases import canvases_of_crops, masks_of, rows_by_pack
from services.crops.repository import CropRepository
from services.crops.types import PackedCrop
from services.datasets.repository import DatasetRepository
from services.datasets.types import DatasetItem, DatasetVersion
from services.errors import KaryobridgeError, NotFoundError, TransientError
from services.generation.reports import Report, put_pictures, put_report
from services.generation.repository import SyntheticRepository
from services.jobs.context import JobContext
from services.jobs.types import Job
from services.log import get_logger
from services.pipelines.generation_quality import build_quality
from services.pipelines.generators import OpenGenerator
from services.pipelines.resources import Resources
from services.pipelines.scores import open_classifier
from services.predictions.types import EMBEDDING_DIMENSIONS

# What a report may fail of without being our fault, or the fault of the crops.
_FAILURES = (KaryobridgeError, ValueError, ArithmeticError, LookupError, RuntimeError, MemoryError)

log = get_logger(__name__)


@dataclass(frozen=True)
class _Reference:
    """Real aberrations to compare with, and the data set that they are from."""

    dataset: DatasetVersion
    crop_ids: Sequence[str]
    chromosomes: Sequence[str]


@dataclass(frozen=True)
class _Crops:
    """N crops as the report looks at them.

    Attributes
    ----------
    canvases : (N, 3, S, S) uint8
    masks : (N, S, S) bool
    embeddings : (N, 512) float32
        Or None without a classifier.
    """

    canvases: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    embeddings: NDArray[np.float32] | None


def quality_of(context: JobContext, resources: Resources, opened: OpenGenerator) -> dict[str, Any]:
    """Compare what a job made with real aberrations.

    Returns
    -------
    dict
        ``status`` is ``made`` with ``figures`` and the report's key, or ``skipped`` or ``failed`` with a
        ``reason``.

    Raises
    ------
    TransientError, JobInterruptedError
        Trying again later is right, or the job must not go on.
    """
    try:
        return _quality(context, resources, opened)
    except TransientError:
        raise
    except _FAILURES as error:
        log.warning("no quality report", job_id=context.job.id, error=type(error).__name__, detail=str(error))
        return {"status": "failed", "reason": f"{str(error) or type(error).__name__}"}


def _quality(context: JobContext, resources: Resources, opened: OpenGenerator) -> dict[str, Any]:
    job, seed = context.job, context.job.params["seed"]
    with resources.session_factory() as session:
        reference = _reference(session, job, opened)
        crop_ids = SyntheticRepository(session).drawn(job.id, seed, MAX_CROPS)
        made = SyntheticRepository(session).of_crops(crop_ids)
    if isinstance(reference, str):
        return {"status": "skipped", "reason": reference}
    classifier, ref = None, job.artifacts.get("classifier")
    if ref is not None:
        _, classifier = open_classifier(ref, resources)
    reader = _Reader(resources, opened.preprocessing, classifier, context.check)
    source_ids = [made[crop_id].source_crop_id for crop_id in crop_ids]
    generated = reader.generated(crop_ids)
    sources = reader.real(source_ids, embed=False)
    real = reader.real(reference.crop_ids)
    files = build_quality(
        generated=generated.canvases,
        masks=generated.masks,
        sources=sources.canvases,
        source_ids=source_ids,
        real=real.canvases,
        real_masks=real.masks,
        real_ids=reference.crop_ids,
        real_names=reference.chromosomes,
        generator=opened.version.name,
        embeddings_generated=generated.embeddings,
        embeddings_real=real.embeddings,
        seed=seed,
        check=context.check,
    )
    keys = put_pictures(resources.store, files.pictures)
    report = Report(reference.dataset.ref, ref, files.report, keys)
    return {
        "status": "made",
        "compared_with": report.compared_with,
        "classifier": report.classifier,
        "figures": files.report,
        "report_key": put_report(resources.store, report),
        "pictures": {name: f"/v1/jobs/{job.id}/quality/{name}.png" for name in keys},
    }


def _reference(session: Session, job: Job, opened: OpenGenerator) -> _Reference | str:
    """The real aberrations to compare with, or why there are none."""
    dataset = _dataset(session, job, opened)
    if dataset is None:
        return (
            "there is no data set to compare with: the generator names none that is here, and the sources "
            "are from none. Name one as reference."
        )
    by_split = opened.version.manifest.get("held_out_groups") or {}
    held_out = {group for groups in by_split.values() for group in groups}
    items = [
        item
        for item in DatasetRepository(session).items(dataset)
        if (item.item_class, item.split) == ("aberration", "train") and item.group not in held_out
    ]
    if not items:
        return f"the train split of data set {dataset.ref} holds no aberration to compare with."
    drawn = _drawn(items, job.params["seed"])
    chromosomes = [f"{item.group} {item.chromosome}" for item in drawn]
    return _Reference(dataset, [item.crop_id for item in drawn], chromosomes)


def _dataset(session: Session, job: Job, opened: OpenGenerator) -> DatasetVersion | None:
    """What the request names, what the generator was trained on, or where the sources are from."""
    datasets = DatasetRepository(session)
    if job.params["reference"] is not None:
        return datasets.resolve(job.params["reference"])
    trained_on = opened.version.manifest.get("dataset")
    if trained_on:
        try:
            found = datasets.resolve(f"{trained_on['name']}/{trained_on['version']}")
        except NotFoundError:
            found = None
        if found is not None and found.sha256 == trained_on["sha256"]:
            return found
    return datasets.resolve(job.inputs["dataset"]) if "dataset" in job.inputs else None


def _drawn(items: Sequence[DatasetItem], seed: int) -> Sequence[DatasetItem]:
    """At most `MAX_CROPS` of them, in the data set's order."""
    if len(items) <= MAX_CROPS:
        return items
    rows = np.random.default_rng(seed).choice(len(items), MAX_CROPS, replace=False)
    return [items[row] for row in sorted(rows.tolist())]


class _Reader:
    """Reads crops pack by pack; memory holds one pack besides what is kept."""

    def __init__(
        self,
        resources: Resources,
        preprocessing: Preprocessing,
        classifier: Classifier | None,
        check: Callable[[], None],
    ) -> None:
        self._resources = resources
        self._preprocessing = preprocessing
        self._classifier = classifier
        self._check = check

    def generated(self, crop_ids: Sequence[str]) -> _Crops:
        """Crops of this generator: what was packed is the canvas."""

        def cut(pack: CropPack, crops: Sequence[PackedCrop]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
            indices = [crop.pack_index for crop in crops]
            return pack.pixels[indices], pack.masks[indices]

        return self._read(crop_ids, cut, embed=True)

    def real(self, crop_ids: Sequence[str], *, embed: bool = True) -> _Crops:
        """Real crops on the generator's canvases."""

        def cut(pack: CropPack, crops: Sequence[PackedCrop]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
            indices = [crop.pack_index for crop in crops]
            canvases = canvases_of_crops(pack, crops, self._preprocessing)
            return canvases, masks_of(pack, indices, self._preprocessing)

        return self._read(crop_ids, cut, embed=embed)

    def _read(
        self,
        crop_ids: Sequence[str],
        cut: Callable[[CropPack, Sequence[PackedCrop]], tuple[NDArray[Any], NDArray[np.bool_]]],
        *,
        embed: bool,
    ) -> _Crops:
        with self._resources.session_factory() as session:
            crops = CropRepository(session).packed(crop_ids)
        side, count = self._preprocessing.canvas_px, len(crops)
        canvases = np.zeros((count, 3, side, side), np.uint8)
        masks = np.zeros((count, side, side), np.bool_)
        classifier = self._classifier if embed else None
        embeddings = None if classifier is None else np.zeros((count, EMBEDDING_DIMENSIONS), np.float32)
        for key, rows in rows_by_pack(crops).items():
            self._check()
            pack, members = CropPack.from_npz(self._resources.store.get(key)), [crops[row] for row in rows]
            canvases[rows], masks[rows] = cut(pack, members)
            if classifier is not None and embeddings is not None:
                seen = canvases_of_crops(pack, members, classifier.spec.preprocessing)
                embeddings[rows] = classifier.score(seen).embeddings
        return _Crops(canvases, masks, embeddings)
