"""A batch: what a client sent, and what became of each file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Literal, Protocol

from services.errors import Problem
from services.images.channels import ChannelRule

ItemStatus = Literal["stored", "duplicate", "rejected"]


class FileSource(Protocol):
    """A file that can be read: a label that is never used as a path, and a way to its bytes."""

    @property
    def filename(self) -> str:
        """The client's name for it."""
        ...

    def opened(self) -> AbstractContextManager[BinaryIO]:
        """Give a seekable stream, valid inside the context; raises `UploadRejectedError` if there is none."""
        ...


@dataclass(frozen=True)
class UploadedFile:
    """A file that arrived with the request."""

    filename: str
    stream: BinaryIO

    def opened(self) -> AbstractContextManager[BinaryIO]:
        """Give the stream."""
        return nullcontext(self.stream)


@dataclass(frozen=True)
class BatchRequest:
    """Everything about an upload except the files."""

    sample: str
    slide: str | None = None
    channel_rule: ChannelRule | None = None
    pixel_size_um: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchItem:
    """One file, or one member of a ZIP: stored, already there, or rejected with the reason."""

    filename: str
    status: ItemStatus
    image_id: str | None
    error: Problem | None = None


@dataclass(frozen=True)
class Batch:
    """An upload and its outcome, file by file."""

    id: str
    sample: str
    slide: str | None
    pixel_size_um: float | None
    metadata: Mapping[str, Any]
    items: tuple[BatchItem, ...]
    job_id: str | None
    created_at: datetime

    @property
    def image_ids(self) -> tuple[str, ...]:
        """The batch's images, new and known ones, each once, in the order of the files."""
        return tuple(dict.fromkeys(item.image_id for item in self.items if item.image_id is not None))
