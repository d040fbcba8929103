"""Uploads of thousands of files: in requests of bounded size, streamed from disk, resumable.

To resume is to run the same upload again. The service is asked which images the sample already has;
those whose bytes are here are not sent a second time. No journal is kept on this side: it could only
disagree with the service.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

from client.channel_rules import ChannelRule, LocalFile, UploadUnit, plan_upload
from client.direct import THRESHOLD_BYTES, DirectSender
from client.errors import ClientError, InvalidArgumentError
from client.reading import CountingReader
from client.records import Batch, BatchItem, Image
from client.resuming import KnownImages
from client.transport import Transport

MAX_FILES_PER_REQUEST = 150
MAX_BYTES_PER_REQUEST = 256 * 1024**2

Process = Literal["none", "segmentation", "scoring"]


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far an upload is. Bytes of skipped files count as done."""

    done_bytes: int
    total_bytes: int
    message: str


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What is said about all files of an upload."""

    sample: str
    channels: ChannelRule | None = None
    slide: str | None = None
    pixel_size_um: float | None = None
    metadata: dict[str, Any] | None = None
    process: Process = "none"

    def form(self) -> dict[str, str]:
        """The text fields of the request."""
        fields = {
            "sample": self.sample,
            "process": self.process,
            "channels": None if self.channels is None else json.dumps(dict(self.channels)),
            "slide": self.slide,
            "pixel_size_um": None if self.pixel_size_um is None else repr(self.pixel_size_um),
            "metadata": None if self.metadata is None else json.dumps(self.metadata),
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class UploadReport:
    """What became of every file.

    Attributes
    ----------
    batches
        The service's answers, one per request.
    items
        One row per image or file, skipped ones included (as `duplicate`).
    skipped_files
        How many files were not sent because the service has them.
    unmatched_files
        How many files of the folders were not sent because they fit no pattern of the rule.
    """

    batches: tuple[Batch, ...] = ()
    items: tuple[BatchItem, ...] = ()
    skipped_files: int = 0
    unmatched_files: int = 0

    def count(self, status: str) -> int:
        """How many items have this status."""
        return sum(item.status == status for item in self.items)

    @property
    def image_ids(self) -> list[str]:
        """Every image of the upload, once, whether new or known."""
        return list(dict.fromkeys(item.image_id for item in self.items if item.image_id))

    @property
    def job_ids(self) -> list[str]:
        """The jobs that the upload started."""
        return [batch.job_id for batch in self.batches if batch.job_id]


@dataclass
class Uploader:
    """Carries one upload out; the parts of the report grow as requests are answered.

    Attributes
    ----------
    direct_from_bytes
        Files of this size and larger go to the object store ahead of their request; None: no file does.
    """

    transport: Transport
    request: UploadRequest
    on_progress: Callable[[UploadProgress], None] = lambda _: None
    max_files: int = MAX_FILES_PER_REQUEST
    max_bytes: int = MAX_BYTES_PER_REQUEST
    direct_from_bytes: int | None = THRESHOLD_BYTES
    _batches: list[Batch] = field(default_factory=list)
    _items: list[BatchItem] = field(default_factory=list)
    _skipped_files: int = 0
    _done_bytes: int = 0
    _total_bytes: int = 0

    def __post_init__(self) -> None:
        self._direct = DirectSender(self.transport)

    def run(self, paths: Iterable[Path], known: Sequence[Image]) -> UploadReport:
        """Send what the service lacks.

        Parameters
        ----------
        paths
            Files and folders.
        known
            The sample's images; empty sends everything.

        Raises
        ------
        LocalFileError, ProblemError, ConnectionFailedError
            Requests that were answered before stay; running the upload again continues.
        """
        plan = plan_upload(paths, self.request.channels)
        units = plan.units
        if not units:
            misfits = (
                f" {plan.unmatched_files} files fit no pattern of the rule." if plan.unmatched_files else ""
            )
            raise InvalidArgumentError(f"There is nothing to upload; name files or folders.{misfits}")
        self._total_bytes = sum(unit.size_bytes for unit in units)
        for chunk in chunks_of(self._missing(units, known), self.max_files, self.max_bytes):
            self._send(chunk)
        self._report(self._done_bytes, "done")
        return UploadReport(
            tuple(self._batches), tuple(self._items), self._skipped_files, plan.unmatched_files
        )

    def _missing(self, units: Sequence[UploadUnit], known: Sequence[Image]) -> list[UploadUnit]:
        if not known:
            return list(units)
        images = KnownImages(known, self.request.channels)
        missing = []
        for unit in units:
            self._report(self._done_bytes, f"comparing {unit.files[0].name}")
            image_id = images.find(unit)
            if image_id is None:
                missing.append(unit)
                continue
            self._done_bytes += unit.size_bytes
            self._skipped_files += len(unit.files)
            self._items.extend(
                BatchItem(filename=file.name, status="duplicate", image_id=image_id) for file in unit.files
            )
        return missing

    def _send(self, chunk: Sequence[UploadUnit]) -> None:
        files = [file for unit in chunk for file in unit.files]
        readers = [CountingReader(file, self._sending) for file in files]
        self._current = readers
        try:
            answer = self.transport.json(
                "POST",
                "v1/batches",
                data=self.request.form(),
                files=[self._part(reader) for reader in readers],
                # A repeated request must be the same to the byte, or its Idempotency-Key is refused.
                headers={"Content-Type": f"multipart/form-data; boundary={uuid.uuid4().hex}"},
            )
        except httpx.LocalProtocolError as error:
            raise ClientError(
                f"A file changed its size while it was being sent ({error}). Run again."
            ) from error
        finally:
            for reader in readers:
                reader.close()
        batch = Batch.model_validate(answer)
        self._batches.append(batch)
        self._items.extend(batch.items)
        self._done_bytes += sum(file.size_bytes for file in files)

    def _part(self, reader: CountingReader) -> tuple[str, tuple[str | None, Any]]:
        """A file as a part of the form, or the name of one that was sent ahead."""
        upload_id = None
        if self.direct_from_bytes is not None and reader.file.size_bytes >= self.direct_from_bytes:
            upload_id = self._direct.send(reader)
        return ("files", (reader.file.name, reader)) if upload_id is None else ("uploads", (None, upload_id))

    def _sending(self, file: LocalFile) -> None:
        self._report(self._done_bytes + sum(reader.read_bytes for reader in self._current), file.name)

    def _report(self, done_bytes: int, message: str) -> None:
        self.on_progress(UploadProgress(done_bytes, self._total_bytes, message))


def chunks_of(units: Iterable[UploadUnit], max_files: int, max_bytes: int) -> Iterator[list[UploadUnit]]:
    """Split into requests; a metaphase stays whole, and no request has the same file name twice."""
    chunk: list[UploadUnit] = []
    names: set[str] = set()
    size_bytes = 0
    for unit in units:
        own = {file.name for file in unit.files}
        full = len(names) + len(own) > max_files or size_bytes + unit.size_bytes > max_bytes
        if chunk and (full or names & own):
            yield chunk
            chunk, names, size_bytes = [], set(), 0
        chunk.append(unit)
        names |= own
        size_bytes += unit.size_bytes
    if chunk:
        yield chunk
