"""Uploads and the metaphases that they brought."""

from __future__ import annotations

from datetime import datetime

from client.records.base import Record


class ItemError(Record):
    """Why one file or one input failed."""

    code: str
    detail: str = ""


class BatchItem(Record):
    """What became of one uploaded file: `stored`, `duplicate` or `rejected`."""

    filename: str
    status: str
    image_id: str | None = None
    error: ItemError | None = None


class Batch(Record):
    """One upload."""

    id: str
    sample: str
    items: tuple[BatchItem, ...] = ()
    job_id: str | None = None


class ImageFile(Record):
    """One original file of an image; an image of one grey file per channel has several."""

    filename: str
    sha256: str
    size_bytes: int | None = None


class Image(Record):
    """A metaphase.

    `sha256` is that of its only file, or of the set of its files (`client.resuming`).
    """

    id: str
    sample: str
    filename: str
    sha256: str
    height: int
    width: int
    channels: tuple[str, ...]
    bit_depth: int
    slide: str | None = None
    pixel_size_um: float | None = None
    created_at: datetime | None = None
    files: tuple[ImageFile, ...] = ()
