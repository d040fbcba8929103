"""What the demonstration does with a running service: upload, segment, fetch everything worth seeing."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as Picture

from client.errors import ClientError, LocalFileError
from client.exporting import export_crops
from client.http import Client
from client.records import ArtifactVersion, Crop, Image, Job, JobItem
from client.uploading import UploadProgress, UploadReport

SAMPLE = "DEMO-MFISH"
CHANNELS = {"dapi": "*_dapi.tif", "red": "*_red.tif", "green": "*_green.tif"}
OUTPUT_FOLDERS = ("previews", "overlays", "crops", "masks")


class NothingSegmentedError(ClientError):
    """Not one image came through, so there is nothing to show."""

    code = "nothing_segmented"


@dataclass(frozen=True, slots=True)
class ImageResult:
    """One metaphase and what was found in it.

    Attributes
    ----------
    preview, overlay
        Files of the report folder.
    crops
        Its chromosomes; the picture of each is ``crops/<id>.png``.
    expected
        How many chromosomes the data set's own masks show, where there are such masks.
    """

    image: Image
    item: JobItem
    preview: Path
    overlay: Path
    crops: tuple[Crop, ...]
    expected: int | None = None

    @property
    def touching(self) -> int:
        """Chromosomes that touch another."""
        return sum("touching" in crop.flags for crop in self.crops)

    @property
    def flagged(self) -> int:
        """Chromosomes with any flag."""
        return sum(bool(crop.flags) for crop in self.crops)

    @property
    def seconds(self) -> float | None:
        """Computing time, where the service tells it."""
        value = (self.item.outputs or {}).get("seconds")
        return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Everything that the table and the page show."""

    folder: Path
    images: tuple[ImageResult, ...]
    failed: tuple[JobItem, ...]
    job: Job
    segmenter: ArtifactVersion
    uploaded: UploadReport
    upload_s: float
    wait_s: float


def upload_samples(
    client: Client, samples: Path, on_progress: Callable[[UploadProgress], None]
) -> tuple[UploadReport, float]:
    """Upload the bundled metaphases; returns the report and the seconds it took.

    Raises
    ------
    LocalFileError
        There are none.
    """
    files = sorted(samples.glob("*.tif"))
    if not files:
        raise LocalFileError(samples, "there are no sample images here (*.tif).")
    started = time.monotonic()
    report = client.upload(files, SAMPLE, channels=CHANNELS, on_progress=on_progress)
    if not report.image_ids:
        reasons = "; ".join(f"{i.filename}: {i.error.detail}" for i in report.items[:3] if i.error)
        raise NothingSegmentedError(f"The service refused every sample image. {reasons}")
    return report, time.monotonic() - started


def segment(client: Client, report: UploadReport, on_progress: Callable[[Job], None]) -> tuple[Job, float]:
    """Run the main job on the uploaded images; returns it and the seconds from submission to end.

    Raises
    ------
    NothingSegmentedError
        The job failed altogether.
    """
    started = time.monotonic()
    job = client.submit("segmentation", image_ids=report.image_ids)
    try:
        job = client.wait(job.id, on_progress)
    except (KeyboardInterrupt, SystemExit):
        # Jobs survive a stop of the service, and the next demonstration would have to finish this one.
        with suppress(ClientError):
            client.cancel(job.id)
        raise
    if job.status not in {"succeeded", "partial"}:
        problem = job.error or {}
        raise NothingSegmentedError(
            f"Job {job.id} {job.status}: {problem.get('detail', 'no reason was given')} "
            f"[{problem.get('code', 'unknown')}]"
        )
    return job, time.monotonic() - started


def collect(
    client: Client,
    job: Job,
    report: UploadReport,
    folder: Path,
    *,
    reference: Path,
    upload_s: float,
    wait_s: float,
) -> DemoResult:
    """Fetch pictures, crops and facts of a finished job into `folder`, replacing those of an earlier run.

    `reference` is the folder of the data set's own label images, which need not exist.
    """
    for name in OUTPUT_FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    export_crops(client, folder, filters={"job": job.id}, masks=True)
    crops: dict[str | None, list[Crop]] = {}
    for crop in client.crops(job=job.id):
        crops.setdefault(crop.image_id, []).append(crop)
    items = list(client.job_items(job.id))
    results = []
    for item in items:
        if item.status != "succeeded" or item.input_id is None:
            continue
        image = client.image(item.input_id)
        name = file_stem(image)
        results.append(
            ImageResult(
                image=image,
                item=item,
                preview=client.download_preview(image.id, folder / "previews" / f"{name}.png"),
                overlay=client.download_overlay(image.id, folder / "overlays" / f"{name}.png", job=job.id),
                crops=tuple(crops.get(image.id, ())),
                expected=count_labels(reference / f"{Path(image.filename).stem}.tif"),
            )
        )
    results.sort(key=lambda result: result.image.filename)
    kind, ref = "segmenter", job.artifacts["segmenter"]
    name, _, version = ref.partition("/")
    return DemoResult(
        folder=folder,
        images=tuple(results),
        failed=tuple(item for item in items if item.status != "succeeded"),
        job=job,
        segmenter=client.artifact_version(kind, name, version),
        uploaded=report,
        upload_s=upload_s,
        wait_s=wait_s,
    )


def count_labels(path: Path) -> int | None:
    """How many instances a label image holds in its first page, or None if there is no such file."""
    if not path.is_file():
        return None
    with Picture.open(path) as masks:
        labels = set(memoryview(masks.convert("I").tobytes()).cast("i"))
    return len(labels - {0})


def file_stem(image: Image) -> str:
    """A file name for an image's pictures: readable, and unique because the id is in it."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(image.filename).stem).strip("_")[:60] or "image"
    return f"{readable}_{image.id[-6:]}"
