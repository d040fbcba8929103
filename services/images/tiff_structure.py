"""A TIFF's skeleton, walked before a library is let near it.

tifffile forgives a broken chain of image directories: it logs, and shows fewer pages than the file had.
A three-plane image cut short would then pass for a single DAPI plane. So the chain is followed here to
its honest end, and counts that would make a reader allocate without bound are refused.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from services.images.errors import CorruptFileError, TooManyPlanesError, TruncatedFileError

if TYPE_CHECKING:
    from services.images.limits import Limits

_MAX_TAGS = 512
# Of a whole file, since entries may point to the same bytes again and again: a number of two
# bytes takes forty in memory. Both leave room for 32 planes of 16,384 strips.
_MAX_NUMBERS = 1 << 20
_MAX_TEXT_BYTES = 32 * 1024 * 1024
_TYPE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_TEXT_TYPES = frozenset({1, 2, 7})
# Thumbnails and transparency masks share the chain with the planes, so it may be longer than they are.
_DIRECTORIES_PER_PLANE = 2


@dataclass(frozen=True, slots=True)
class _Dialect:
    """Field widths of classic TIFF and BigTIFF, in either byte order."""

    first_offset_at: int
    count: struct.Struct
    entry: struct.Struct
    offset: struct.Struct


class _Totals:
    """What all entries of a file claim together."""

    def __init__(self) -> None:
        self._numbers = 0
        self._text_bytes = 0

    def add(self, kind: int, number: int) -> None:
        """Count one entry; raises `CorruptFileError` above what any image needs."""
        if kind in _TEXT_TYPES:
            self._text_bytes += number
        else:
            self._numbers += number
        if self._numbers > _MAX_NUMBERS or self._text_bytes > _MAX_TEXT_BYTES:
            raise CorruptFileError("The TIFF's entries claim more values than an image has. Export it again.")


def walk_directories(stream: BinaryIO, size_bytes: int, limits: Limits) -> int:
    """Follow the chain of image directories to its end and count them.

    Parameters
    ----------
    stream
        Seekable; its position afterwards is undefined.
    size_bytes
        Length of the stream.

    Raises
    ------
    TruncatedFileError
        A directory, or a value that it points to, lies beyond the end of the file.
    CorruptFileError
        The chain runs in a circle, or a directory holds an impossible entry.
    TooManyPlanesError
        The chain is longer than any allowed image.
    """
    dialect = _dialect(_read(stream, 0, min(16, size_bytes)))
    (offset,) = dialect.offset.unpack(_read(stream, dialect.first_offset_at, dialect.offset.size))
    seen: set[int] = set()
    totals = _Totals()
    while offset:
        if offset in seen:
            raise CorruptFileError("The TIFF's directories run in a circle. Export the image again.")
        if offset >= size_bytes:
            raise TruncatedFileError(
                "The TIFF ends before its directories do. Copy or export the file again."
            )
        seen.add(offset)
        if len(seen) > limits.max_planes * _DIRECTORIES_PER_PLANE:
            raise TooManyPlanesError(
                f"The TIFF has more than {limits.max_planes} planes. Export one image per file."
            )
        offset = _check_directory(stream, offset, size_bytes, dialect, totals)
    if not seen:
        raise TruncatedFileError("The TIFF has no image directory; its writer was probably interrupted.")
    return len(seen)


def _dialect(head: bytes) -> _Dialect:
    order = "<" if head[:2] == b"II" else ">"
    if head[2:4] in (b"+\x00", b"\x00+"):
        return _Dialect(
            8, struct.Struct(order + "Q"), struct.Struct(order + "HHQ8s"), struct.Struct(order + "Q")
        )
    return _Dialect(4, struct.Struct(order + "H"), struct.Struct(order + "HHI4s"), struct.Struct(order + "I"))


def _check_directory(
    stream: BinaryIO, offset: int, size_bytes: int, dialect: _Dialect, totals: _Totals
) -> int:
    """Check every entry of one directory; return the next directory's offset, 0 at the end."""
    (count,) = dialect.count.unpack(_read(stream, offset, dialect.count.size))
    if not 0 < count <= _MAX_TAGS:
        raise CorruptFileError(f"A TIFF directory claims {count} entries. Export the image again.")
    entries = _read(stream, offset + dialect.count.size, count * dialect.entry.size + dialect.offset.size)
    for _tag, kind, number, value in dialect.entry.iter_unpack(entries[: count * dialect.entry.size]):
        _check_entry(kind, number, value, size_bytes, dialect)
        totals.add(kind, number)
    (following,) = dialect.offset.unpack(entries[-dialect.offset.size :])
    return int(following)


def _check_entry(kind: int, number: int, value: bytes, size_bytes: int, dialect: _Dialect) -> None:
    if kind not in _TYPE_BYTES:
        # The specification tells readers to skip types that they do not know.
        return
    total = number * _TYPE_BYTES[kind]
    if total > len(value) and dialect.offset.unpack(value)[0] + total > size_bytes:
        raise TruncatedFileError("The TIFF ends before its directory does. Copy or export the file again.")


def _read(stream: BinaryIO, offset: int, length: int) -> bytes:
    stream.seek(offset)
    data = stream.read(length)
    if len(data) < length:
        raise TruncatedFileError("The TIFF ends before its directory does. Copy or export the file again.")
    return data
