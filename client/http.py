"""`Client`: every operation of the service as a typed, synchronous method.

Examples
--------
>>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
...     report = client.upload(["slide1/"], sample="S-1042", channels={"dapi": "*D.tif"})
...     job = client.wait(client.submit("segmentation", image_ids=report.image_ids).id)
...     crops = list(client.crops(job=job.id, flag="touching"))
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from client.answers import get, list_all, record_of
from client.channel_rules import ChannelRule, LocalFile
from client.downloads import download
from client.errors import InvalidArgumentError, LocalFileError, UnexpectedAnswerError
from client.reading import CountingReader
from client.records import Artifact, ArtifactVersion, Batch, Crop, Health, Image, Job, JobItem
from client.transport import Transport
from client.uploading import Process, Uploader, UploadProgress, UploadReport, UploadRequest
from client.watching import JobWatch

DEFAULT_URL = "http://127.0.0.1:8000"


class Client:
    """A connection to one service; safe to use from several threads.

    Parameters
    ----------
    base_url, api_key
        Default to ``KARYOBRIDGE_URL`` and ``KARYOBRIDGE_API_KEY`` of the environment, then to the
        embedded service of this machine without a key.
    transport_options
        `timeout_s`, `retry`, … as `client.transport.Transport` takes them.
    """

    def __init__(
        self, base_url: str | None = None, api_key: str | None = None, **transport_options: Any
    ) -> None:
        url = base_url or os.environ.get("KARYOBRIDGE_URL") or DEFAULT_URL
        key = api_key or os.environ.get("KARYOBRIDGE_API_KEY") or None
        self.transport = Transport(url, key, **transport_options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    # System

    def health(self) -> Health:
        """Whether database, broker and object store are reachable; being away is an answer, no error."""
        return record_of(
            self.transport, Health, self.transport.json("GET", "readyz", accepted=frozenset({503}))
        )

    # Batches and images

    def upload(
        self,
        paths: Iterable[Path | str],
        sample: str,
        *,
        channels: ChannelRule | None = None,
        slide: str | None = None,
        pixel_size_um: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        process: Process = "none",
        skip_stored: bool = True,
        on_progress: Callable[[UploadProgress], None] | None = None,
    ) -> UploadReport:
        """Upload files and folders, in as many requests as it takes; call again to resume.

        Parameters
        ----------
        paths
            Image files, ZIPs, or folders that are searched for them.
        sample
            The LIMS accession.
        channels
            How files or planes become channels: file-name patterns with one star, or plane numbers.
        pixel_size_um
            Edge of a pixel in micrometres, where the files do not say.
        process
            What to do with the images at once.
        skip_stored
            Ask first what the sample has, and do not send it again.
        on_progress
            Called often, with bytes.

        Raises
        ------
        LocalFileError, InvalidArgumentError, ProblemError, ConnectionFailedError
        """
        request = UploadRequest(
            sample, channels, slide, pixel_size_um, None if metadata is None else dict(metadata), process
        )
        known = list(self.images(sample=sample)) if skip_stored else []
        uploader = Uploader(self.transport, request, on_progress or (lambda _: None))
        return uploader.run([Path(path) for path in paths], known)

    def batch(self, batch_id: str) -> Batch:
        """One batch."""
        return get(self.transport, Batch, f"v1/batches/{batch_id}")

    def batches(self, sample: str | None = None) -> Iterator[Batch]:
        """Batches, oldest first."""
        return list_all(self.transport, Batch, "v1/batches", sample=sample)

    def image(self, image_id: str) -> Image:
        """One image."""
        return get(self.transport, Image, f"v1/images/{image_id}")

    def images(self, *, sample: str | None = None, batch: str | None = None) -> Iterator[Image]:
        """Images, oldest first."""
        return list_all(self.transport, Image, "v1/images", sample=sample, batch=batch)

    def download_image(self, image_id: str, to: Path, *, file: int = 0) -> Path:
        """Save the original bytes of one of an image's `files`."""
        return download(self.transport, f"v1/images/{image_id}/content", to, file=file or None)

    def download_preview(self, image_id: str, to: Path) -> Path:
        """Save the colour preview of an image as PNG."""
        return download(self.transport, f"v1/images/{image_id}/preview.png", to)

    def download_overlay(self, image_id: str, to: Path, *, job: str | None = None) -> Path:
        """Save an image with the outlines that a job (default: the newest) found, as PNG."""
        return download(self.transport, f"v1/images/{image_id}/overlay.png", to, job=job)

    def download_masks(self, image_id: str, to: Path, *, job: str | None = None) -> Path:
        """Save the masks of an image; the suffix of `to` chooses labels, polygons or ImageJ regions."""
        formats = {".tif": "masks.tif", ".tiff": "masks.tif", ".geojson": "masks.geojson", ".zip": "rois.zip"}
        name = formats.get(to.suffix.lower())
        if name is None:
            raise InvalidArgumentError(f"Masks are saved as {', '.join(formats)}, not as {to.name!r}.")
        return download(self.transport, f"v1/images/{image_id}/{name}", to, job=job)

    # Jobs

    def submit(self, kind: str, *, idempotency_key: str | None = None, **body: Any) -> Job:
        """Submit a job; `body` holds its parameters as the contract names them. None is left out.

        With an `idempotency_key` of the caller's own, a program that was killed and started again gets
        the job that it had already submitted.
        """
        given = {name: value for name, value in body.items() if value is not None}
        answer = self.transport.json(
            "POST", "v1/jobs", json={"kind": kind, **given}, idempotency_key=idempotency_key
        )
        return record_of(self.transport, Job, answer)

    def job(self, job_id: str) -> Job:
        """One job as it is now."""
        return get(self.transport, Job, f"v1/jobs/{job_id}")

    def jobs(self, **filters: str | None) -> Iterator[Job]:
        """Jobs, oldest first; filters are `kind`, `status`, `sample`, `external_id`."""
        return list_all(self.transport, Job, "v1/jobs", **filters)

    def job_items(self, job_id: str) -> Iterator[JobItem]:
        """One row per input of a job."""
        return list_all(self.transport, JobItem, f"v1/jobs/{job_id}/items")

    def watch(self, job_id: str, *, timeout_s: float | None = None) -> JobWatch:
        """Iterate over the states of a job until it ends."""
        return JobWatch(self.transport, job_id, timeout_s=timeout_s)

    def wait(
        self, job_id: str, on_progress: Callable[[Job], None] | None = None, *, timeout_s: float | None = None
    ) -> Job:
        """Return the job once it has ended, however it ended.

        Raises
        ------
        WaitTimeoutError
            It had not ended after `timeout_s`; it goes on.
        """
        job: Job | None = None
        for job in self.watch(job_id, timeout_s=timeout_s):
            if on_progress is not None:
                on_progress(job)
        if job is None:
            raise UnexpectedAnswerError(self.transport.base_url, f"job {job_id} has no state")
        return job

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop; a running one stops between two batches of images."""
        return record_of(self.transport, Job, self.transport.json("POST", f"v1/jobs/{job_id}/cancel"))

    def retry(self, job_id: str) -> Job:
        """Run the failed items of a job again."""
        return record_of(self.transport, Job, self.transport.json("POST", f"v1/jobs/{job_id}/retry"))

    # Crops

    def crop(self, crop_id: str) -> Crop:
        """One crop."""
        return get(self.transport, Crop, f"v1/crops/{crop_id}")

    def crops(self, **filters: Any) -> Iterator[Crop]:
        """Crops, oldest first.

        Filters are those of ``GET /v1/crops``: `image`, `job`, `sample`, `origin`, …; a filter whose
        name is a word of Python takes an underscore (`class_`).
        """
        return list_all(
            self.transport, Crop, "v1/crops", **{name.rstrip("_"): value for name, value in filters.items()}
        )

    def crop_png(self, crop_id: str, *, channel: str | None = None) -> bytes:
        """The picture of a crop, all channels in colour or one in grey."""
        params = {} if channel is None else {"channel": channel}
        return self.transport.send("GET", f"v1/crops/{crop_id}/image.png", params=params).content

    def annotate(self, crop_id: str, crop_class: str, annotator: str) -> Crop:
        """Record a person's verdict: ``normal``, ``aberration`` or ``excluded``."""
        body = {"class": crop_class, "annotator": annotator}
        return record_of(
            self.transport, Crop, self.transport.json("PUT", f"v1/crops/{crop_id}/annotation", json=body)
        )

    # Artifacts

    def artifacts(self, kind: str | None = None) -> Iterator[ArtifactVersion]:
        """Versions of artifacts, optionally of one kind."""
        return list_all(self.transport, ArtifactVersion, "v1/artifacts", kind=kind)

    def artifact(self, kind: str, name: str) -> Artifact:
        """Versions and aliases of one artifact."""
        return get(self.transport, Artifact, f"v1/artifacts/{kind}/{name}")

    def artifact_version(self, kind: str, name: str, version: str) -> ArtifactVersion:
        """One version, by its number or an alias."""
        return get(self.transport, ArtifactVersion, f"v1/artifacts/{kind}/{name}/{version}")

    def download_artifact(self, kind: str, name: str, version: str, to: Path) -> Path:
        """Save the files of a version."""
        return download(self.transport, f"v1/artifacts/{kind}/{name}/{version}/content", to)

    def upload_artifact(
        self,
        kind: str,
        name: str,
        path: Path,
        *,
        diameter_px: float | None = None,
        licence: str | None = None,
        description: str | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> Job:
        """Upload weights; the job that is returned checks them and makes the next version.

        Parameters
        ----------
        path
            A safetensors file, an official checkpoint, or what the kind takes.
        diameter_px
            Mean object diameter in the images of its training, where the file does not say.
        on_progress
            Called with the bytes sent.
        """
        if not path.is_file():
            raise LocalFileError(path, "there is no such file.")
        told = {"diameter_px": diameter_px, "licence": licence, "description": description}
        fields = {"name": name} | {key: str(value) for key, value in told.items() if value is not None}
        tell = on_progress or (lambda _: None)
        file = LocalFile(path, path.stat().st_size)
        with CountingReader(file, lambda _: tell(reader.read_bytes)) as reader:
            answer = self.transport.json(
                "POST", f"v1/artifacts/{kind}", data=fields, files=[("file", (path.name, reader))]
            )
        return record_of(self.transport, Job, answer)

    def set_alias(self, kind: str, name: str, alias: str, version: int) -> None:
        """Point an alias, for example ``production``, at a version."""
        self.transport.json("PUT", f"v1/artifacts/{kind}/{name}/aliases/{alias}", json={"version": version})
