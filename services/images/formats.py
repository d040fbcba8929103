"""From bytes to a decoded picture: size, magic number, name, then the right decoder.

`inspect_source` is what an upload calls: it decodes every plane once, so that a stored image is known to
be readable, and keeps only the facts. `read_picture` keeps the pixels.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, Literal

from services.images.errors import (
    EmptyFileError,
    MislabelledFileError,
    TooLargeError,
    UnsupportedFormatError,
    shown,
)
from services.images.limits import Limits
from services.images.picture import Picture
from services.images.raster import read_raster
from services.images.tiff import read_tiff

if TYPE_CHECKING:
    from services.images.source import SourceInfo

Container = Literal["tiff", "png", "jpeg", "zip"]

_MAGIC: tuple[tuple[bytes, Container], ...] = (
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
)
_EXTENSIONS: dict[str, Container] = {
    ".tif": "tiff",
    ".tiff": "tiff",
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".zip": "zip",
}
_VENDOR_EXTENSIONS = frozenset(
    {".czi", ".nd2", ".lif", ".lsm", ".oib", ".oif", ".vsi", ".svs", ".ndpi", ".scn", ".mrxs", ".stk", ".zvi"}
)


def sniff(stream: BinaryIO) -> Container | None:
    """Tell a container by its first bytes; None when it is none that is read here."""
    stream.seek(0)
    head = stream.read(8)
    return next((container for magic, container in _MAGIC if head.startswith(magic)), None)


def check_container(stream: BinaryIO, filename: str) -> Container:
    """Tell what a file is, and check that its name agrees.

    Raises
    ------
    EmptyFileError
        There are no bytes.
    MislabelledFileError
        The extension names one container and the contents are something else.
    UnsupportedFormatError
        Neither the name nor the contents are of a supported kind.
    """
    stream.seek(0)
    if not stream.read(1):
        raise EmptyFileError(f"{shown(filename)} is empty. Copy or export the file again.")
    found = sniff(stream)
    extension = os.path.splitext(filename.lower())[1]  # noqa: PTH122 - a label, not a path
    claimed = _EXTENSIONS.get(extension)
    if claimed is not None and found != claimed:
        contents = "something else" if found is None else found.upper()
        raise MislabelledFileError(
            f"{shown(filename)} is named {extension} but contains {contents}. Rename it, or export it again."
        )
    if found is None or (claimed is None and extension in _VENDOR_EXTENSIONS):
        advice = (
            "Export it as OME-TIFF" if extension in _VENDOR_EXTENSIONS else "Upload TIFF, PNG, JPEG or ZIP"
        )
        raise UnsupportedFormatError(f"{shown(filename)} is of a kind that is not read here. {advice}.")
    return found


def read_picture(stream: BinaryIO, filename: str, limits: Limits | None = None) -> Picture:
    """Decode every plane of one picture file.

    Parameters
    ----------
    stream
        Seekable, positioned anywhere.
    filename
        The client's name: compared with the contents and shown in messages, never opened.
    limits
        Bounds; the defaults when left out.

    Raises
    ------
    UploadRejectedError
        A subclass whose `code` says why; nothing else is raised, whatever the bytes.
    """
    limits = limits or Limits()
    size_bytes = stream.seek(0, os.SEEK_END)
    if size_bytes > limits.max_file_bytes:
        raise TooLargeError(
            f"{shown(filename)} has {size_bytes} bytes; at most {limits.max_file_bytes} are taken. "
            "Upload one metaphase per file."
        )
    container = check_container(stream, filename)
    if container == "zip":
        raise UnsupportedFormatError(f"{shown(filename)} is an archive, not a picture.")
    if container == "tiff":
        return read_tiff(stream, size_bytes, limits)
    return read_raster(stream, container, limits)


def inspect_source(stream: BinaryIO, filename: str, limits: Limits | None = None) -> SourceInfo:
    """Check that a picture file can be decoded within the limits, and describe it.

    The planes are decoded and dropped: a header alone cannot promise that the pixels are there.
    Parameters and errors are those of `read_picture`.
    """
    return read_picture(stream, filename, limits).info
