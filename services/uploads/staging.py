"""Files of one upload on local disk, archives unpacked, under names that are ours.

Each file lies in a private temporary folder as a number and is opened only while it is read: a ZIP
of thousands of planes holds neither memory nor file handles.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from services.images.archives import unzip_members
from services.images.errors import UploadRejectedError
from services.images.formats import sniff
from services.images.limits import Limits
from services.uploads.types import UploadedFile

_COPY_BYTES = 1024**2


@dataclass(frozen=True)
class StagedFile:
    """A readable file under the client's label, or the reason why there is none."""

    filename: str
    path: Path | None
    error: UploadRejectedError | None = None


@contextmanager
def staged(files: Sequence[UploadedFile], limits: Limits) -> Iterator[list[StagedFile]]:
    """Copy uploads to a private folder, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="karyobridge-upload-") as folder:
        yield list(_stage(files, Path(folder), limits))


def _stage(files: Sequence[UploadedFile], folder: Path, limits: Limits) -> Iterator[StagedFile]:
    paths = (folder / f"{number:06d}" for number in itertools.count())
    for file in files:
        if sniff(file.stream) == "zip":
            yield from _stage_members(file, paths, limits)
        else:
            yield StagedFile(file.filename, _copy(file.stream, next(paths)))


def _stage_members(file: UploadedFile, paths: Iterator[Path], limits: Limits) -> Iterator[StagedFile]:
    """Unpack an archive; a damaged one is a single unreadable file."""
    try:
        for member in unzip_members(file.stream, limits):
            label = f"{file.filename}/{member.name}"
            path = None if member.stream is None else _copy(member.stream, next(paths))
            yield StagedFile(label, path, member.error)
    except UploadRejectedError as error:
        yield StagedFile(file.filename, None, error)


def _copy(stream: BinaryIO, path: Path) -> Path:
    stream.seek(0)
    with path.open("wb") as target:
        shutil.copyfileobj(stream, target, _COPY_BYTES)
    return path
