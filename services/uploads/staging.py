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
from services.uploads.types import FileSource

_COPY_BYTES = 1024**2


@dataclass(frozen=True)
class StagedFile:
    """A readable file under the client's label, or the reason why there is none."""

    filename: str
    path: Path | None
    error: UploadRejectedError | None = None


@contextmanager
def staged(files: Sequence[FileSource], limits: Limits) -> Iterator[list[StagedFile]]:
    """Copy uploads to a private folder, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="karyobridge-upload-") as folder:
        yield list(_stage(files, Path(folder), limits))


def _stage(files: Sequence[FileSource], folder: Path, limits: Limits) -> Iterator[StagedFile]:
    """Stage one file after the other; one that is not there, or a damaged archive, is unreadable."""
    paths = (folder / f"{number:06d}" for number in itertools.count())
    for file in files:
        try:
            with file.opened() as stream:
                yield from _stage_one(file.filename, stream, paths, limits)
        except UploadRejectedError as error:
            yield StagedFile(file.filename, None, error)


def _stage_one(
    filename: str, stream: BinaryIO, paths: Iterator[Path], limits: Limits
) -> Iterator[StagedFile]:
    if sniff(stream) != "zip":
        yield StagedFile(filename, _copy(stream, next(paths)))
        return
    for member in unzip_members(stream, limits):
        path = None if member.stream is None else _copy(member.stream, next(paths))
        yield StagedFile(f"{filename}/{member.name}", path, member.error)


def _copy(stream: BinaryIO, path: Path) -> Path:
    stream.seek(0)
    with path.open("wb") as target:
        shutil.copyfileobj(stream, target, _COPY_BYTES)
    return path
