"""Uploading metaphases, and fetching them and their pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from client.answers import get, list_all
from client.channel_rules import ChannelRule
from client.direct import THRESHOLD_BYTES
from client.downloads import download
from client.errors import InvalidArgumentError
from client.records import Batch, Image
from client.transport import Transport
from client.uploading import Process, Uploader, UploadProgress, UploadReport, UploadRequest


class ImageOperations:
    """Batches and images."""

    transport: Transport

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
        direct: bool | None = None,
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
        direct
            Send files to the object store, ahead of the request: all, none, or by default large ones.
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
        from_bytes = {None: THRESHOLD_BYTES, True: 1, False: None}[direct]
        uploader = Uploader(
            self.transport, request, on_progress or (lambda _: None), direct_from_bytes=from_bytes
        )
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
