"""Files of one upload on local disk, archives unpacked, under names that are ours.

Each file lies in a private temporary folder as a number and is opened only while it is read: a ZIP
of thousands of planes holds neither memory nor file handles.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from services.images.archives import is_zip, unzip_members
from services.images.errors import UploadRejectedError
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
    count = 0
    for file in files:
        if not is_zip(file.stream):
            count += 1
            yield StagedFile(file.filename, _copy(file.stream, folder / f"{count:06d}"))
            continue
        for member in unzip_members(file.stream, file.filename, limits):
            label = f"{file.filename}/{member.name}" if member.name else file.filename
            if member.stream is None:
                yield StagedFile(label, None, member.error)
                continue
            count += 1
            try:
                yield StagedFile(label, _copy(member.stream, folder / f"{count:06d}"))
            except UploadRejectedError as error:  # a bomb shows itself only while it unpacks
                yield StagedFile(label, None, error)


def _copy(stream: BinaryIO, path: Path) -> Path:
    with path.open("wb") as target:
        shutil.copyfileobj(stream, target, _COPY_BYTES)
    return path
