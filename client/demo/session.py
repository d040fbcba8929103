"""What the demonstration does with a running service: upload, score, fetch everything worth seeing."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from PIL import Image as Picture

from client.demo.results import DemoResult, ImageResult, by_suspicion
from client.demo.samples import SampleNote, read_notes
from client.downloads import write_whole
from client.errors import ClientError, LocalFileError, ProblemError
from client.exporting import export_crops
from client.http import Client
from client.records import ArtifactVersion, Crop, Image, Job, JobItem
from client.uploading import UploadProgress, UploadReport

SAMPLE = "DEMO-MFISH"
CHANNELS = {"red": "*_red.tif", "green": "*_green.tif", "dapi": "*_dapi.tif"}
OUTPUT_FOLDERS = ("previews", "overlays", "crops", "channels", "masks", "synthetic")
MAP = "map.html"
CLASSIFIER = "translocation"
MAX_SUSPECTS = 60


class NothingSegmentedError(ClientError):
    """Not one image came through, so there is nothing to show."""

    code = "nothing_segmented"


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


def find_classifier(client: Client) -> ArtifactVersion | None:
    """The classifier in production, or None if there is none that was trained."""
    try:
        version = client.artifact_version("classifier", CLASSIFIER, "production")
    except ProblemError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return None
    return version if version.manifest.get("trained") else None


def run_job(
    client: Client,
    report: UploadReport,
    classifier: ArtifactVersion | None,
    on_progress: Callable[[Job], None],
) -> tuple[Job, float]:
    """Score the uploaded images, or only segment them if there is no classifier.

    Returns the job and the seconds from submission to end.

    Raises
    ------
    NothingSegmentedError
        The job failed altogether.
    """
    started = time.monotonic()
    kind, ref = ("segmentation", None) if classifier is None else ("scoring", ref_of(classifier))
    job = see_through(client, client.submit(kind, image_ids=report.image_ids, classifier=ref), on_progress)
    if job.status not in {"succeeded", "partial"}:
        problem = job.error or {}
        raise NothingSegmentedError(
            f"Job {job.id} {job.status}: {problem.get('detail', 'no reason was given')} "
            f"[{problem.get('code', 'unknown')}]"
        )
    return job, time.monotonic() - started


def see_through(client: Client, job: Job, on_progress: Callable[[Job], None]) -> Job:
    """Wait for a job's end, and leave none behind where the demonstration is interrupted."""
    try:
        return client.wait(job.id, on_progress)
    except (KeyboardInterrupt, SystemExit):
        # Jobs survive a stop of the service, and the next demonstration would have to finish this one.
        with suppress(ClientError):
            client.cancel(job.id)
        raise


def collect(
    client: Client,
    job: Job,
    report: UploadReport,
    folder: Path,
    *,
    samples: Path,
    classifier: ArtifactVersion | None,
    upload_s: float,
    wait_s: float,
) -> DemoResult:
    """Fetch pictures, crops and facts of a finished job into `folder`, replacing those of an earlier run.

    `samples` is the folder of the images; label images in its ``masks`` and a table in its README tell
    what is known of them, and need not exist.
    """
    for name in OUTPUT_FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / MAP).unlink(missing_ok=True)
    export_crops(client, folder, filters={"job": job.id}, masks=True)
    crops: dict[str | None, list[Crop]] = {}
    for crop in client.crops(job=job.id):
        crops.setdefault(crop.image_id, []).append(crop)
    items = list(client.job_items(job.id))
    notes = read_notes(samples)
    results = [
        _image_result(client, job, item, crops, folder, samples=samples, notes=notes)
        for item in items
        if item.status == "succeeded"
    ]
    results.sort(key=lambda result: result.image.filename)
    suspects = sorted((crop for result in results for crop in result.flagged), key=by_suspicion)
    name, _, version = job.artifacts["segmenter"].partition("/")
    return DemoResult(
        folder=folder,
        images=tuple(results),
        failed=tuple(item for item in items if item.status != "succeeded"),
        job=job,
        segmenter=client.artifact_version("segmenter", name, version),
        uploaded=report,
        upload_s=upload_s,
        wait_s=wait_s,
        classifier=classifier,
        channels={crop.id: _channels(client, crop, folder) for crop in suspects[:MAX_SUSPECTS]},
    )


def ref_of(version: ArtifactVersion) -> str:
    """What jobs call a version."""
    return f"{version.name}/{version.version}"


def _image_result(
    client: Client,
    job: Job,
    item: JobItem,
    crops: Mapping[str | None, Sequence[Crop]],
    folder: Path,
    *,
    samples: Path,
    notes: Mapping[str, SampleNote],
) -> ImageResult:
    image = client.image(item.input_id or "")
    name, original = file_stem(image), Path(image.filename).stem
    return ImageResult(
        image=image,
        item=item,
        preview=client.download_preview(image.id, folder / "previews" / f"{name}.png"),
        overlay=client.download_overlay(image.id, folder / "overlays" / f"{name}.png", job=job.id),
        crops=tuple(crops.get(image.id, ())),
        expected=count_labels(samples / "masks" / f"{original}.tif"),
        note=notes.get(original),
    )


def _channels(client: Client, crop: Crop, folder: Path) -> dict[str, Path]:
    """One grey picture per channel, in which paints and bands show better than in colours."""
    # The export has refused ids that are no file names.
    return {
        channel: write_whole(
            folder / "channels" / f"{crop.id}_{channel}.png", [client.crop_png(crop.id, channel=channel)]
        )
        for channel in CHANNELS
    }


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
