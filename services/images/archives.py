"""ZIP archives, one member at a time: a bad member is refused and the good ones survive.

Names inside an archive are labels and never become paths. What a member claims about its size is not
believed: bytes are counted while they are unpacked.
"""

from __future__ import annotations

import os
import posixpath
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from services.images.errors import (
    DuplicateNameError,
    EmptyFileError,
    TooLargeError,
    UnsupportedCompressionError,
    UploadRejectedError,
    ZipBombError,
    ZipCorruptError,
    ZipEncryptedError,
    ZipNestedError,
    ZipTooManyMembersError,
    ZipUnsafePathError,
    shown,
)
from services.images.formats import sniff
from services.images.limits import Limits

_CHUNK_BYTES = 1024 * 1024
_SPOOL_BYTES = 16 * 1024 * 1024
_DIRECTORY_BYTES_PER_MEMBER = 1024
_JUNK_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_ARCHIVE_EXTENSIONS = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")
_ENTRY, _END, _END64 = b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06"
_END_BYTES, _MAX_COMMENT_BYTES = 22, 65_535
# Where the size of the directory ends in the ZIP64 record, and the value that points there.
_SIZE64_END, _SEE_ZIP64 = 48, 0xFFFFFFFF
_ENCRYPTED = 0x1
_MEMBER_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class ZipMember:
    """One file of an archive.

    Attributes
    ----------
    name
        As the archive spells it: a label for messages and channel patterns, never a path to open.
    stream
        The unpacked bytes at position 0, seekable, valid until the next member is asked for; None when
        the member is refused.
    error
        Why it is refused, or None.
    """

    name: str
    stream: BinaryIO | None
    error: UploadRejectedError | None = None


def unzip_members(stream: BinaryIO, limits: Limits | None = None) -> Iterator[ZipMember]:
    """Unpack an archive member by member, in the archive's order.

    Folders and what operating systems leave behind (`__MACOSX`, `.DS_Store`, `Thumbs.db`) are skipped.
    At most one member is unpacked at a time; beyond 16 MiB it lies in an unnamed temporary file.

    Parameters
    ----------
    stream
        Seekable; it must stay open while members are read.
    limits
        Bounds; the defaults when left out.

    Raises
    ------
    ZipCorruptError, ZipTooManyMembersError, EmptyFileError
        The archive as a whole cannot be read or holds no file; raised before the first member.
    """
    limits = limits or Limits()
    with _opened(stream, limits) as archive:
        infos = [info for info in archive.infolist() if not _is_skipped(info.filename)]
        if not infos:
            raise EmptyFileError("The archive holds no files.")
        if len(infos) > limits.max_zip_members:
            raise _too_many(limits)
        overlapping = _overlapping(archive.infolist())
        budget = limits.max_zip_total_bytes
        names: set[str] = set()
        for info in infos:
            refusal = _refusal(info, names, overlapping, limits)
            names.add(info.filename)
            if refusal is not None:
                yield ZipMember(info.filename, None, refusal)
                continue
            with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
                unpacked = cast("BinaryIO", spool)
                refusal = _unpack(archive, info, unpacked, budget, limits)
                budget -= unpacked.seek(0, os.SEEK_END)
                unpacked.seek(0)
                yield ZipMember(info.filename, None if refusal else unpacked, refusal)


def member_names(stream: BinaryIO, limits: Limits | None = None) -> list[str]:
    """Names of an archive's members as it spells them, folders included; nothing is unpacked.

    Raises
    ------
    ZipCorruptError, ZipTooManyMembersError
        As `unzip_members`.
    """
    with _opened(stream, limits or Limits()) as archive:
        return archive.namelist()


def _opened(stream: BinaryIO, limits: Limits) -> zipfile.ZipFile:
    _check_directory_size(stream, limits)
    try:
        return zipfile.ZipFile(stream)
    except (*_MEMBER_ERRORS, NotImplementedError) as error:
        raise ZipCorruptError("The archive's directory cannot be read. Pack the files again.") from error


def _refusal(  # noqa: PLR0911 - one return per reason reads as the list that it is
    info: zipfile.ZipInfo, names: set[str], overlapping: set[int], limits: Limits
) -> UploadRejectedError | None:
    """Why a member is refused before a byte of it is read, or None."""
    name = shown(info.filename)
    if _is_unsafe(info):
        return ZipUnsafePathError(f"{name}: absolute names, '..', backslashes and links are not taken.")
    if info.flag_bits & _ENCRYPTED:
        return ZipEncryptedError(f"{name} needs a password. Pack the files without one.")
    if info.filename.lower().endswith(_ARCHIVE_EXTENSIONS):
        return ZipNestedError(f"{name} is an archive itself. Upload its contents directly.")
    if info.header_offset in overlapping:
        return ZipBombError(f"{name} shares its bytes with another member. Pack the files again.")
    if info.filename in names:
        return DuplicateNameError(f"{name} is in the archive twice. Rename one of them.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return UnsupportedCompressionError(f"{name} is not packed with Deflate. Pack it as a plain ZIP.")
    if info.file_size > limits.max_file_bytes:
        return TooLargeError(f"{name} unpacks to {info.file_size} bytes; at most {limits.max_file_bytes}.")
    return None


def _unpack(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: BinaryIO, budget: int, limits: Limits
) -> UploadRejectedError | None:
    """Copy a member into `target`; return why it was refused, or None."""
    name = shown(info.filename)
    try:
        _copy_counted(archive, info, target, budget, limits)
    except NotImplementedError:
        return UnsupportedCompressionError(f"{name} is not packed with Deflate. Pack it as a plain ZIP.")
    except UploadRejectedError as refusal:
        return refusal
    except _MEMBER_ERRORS:
        return ZipCorruptError(f"{name} is damaged inside the archive. Pack the files again.")
    if sniff(target) == "zip":
        return ZipNestedError(f"{name} is an archive itself. Upload its contents directly.")
    return None


def _copy_counted(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: BinaryIO, budget: int, limits: Limits
) -> None:
    name = shown(info.filename)
    total = 0
    with archive.open(info) as source:
        while chunk := source.read(_CHUNK_BYTES):
            total += len(chunk)
            if total > limits.max_file_bytes:
                raise TooLargeError(f"{name} unpacks to more than {limits.max_file_bytes} bytes.")
            if total > budget:
                raise ZipBombError(
                    f"{name}: the archive unpacks to more than {limits.max_zip_total_bytes} bytes. Split it."
                )
            ratio = total / max(info.compress_size, 1)
            if total > limits.zip_ratio_floor_bytes and ratio > limits.max_zip_ratio:
                raise ZipBombError(f"{name} unpacks to over {limits.max_zip_ratio:g} times its size.")
            target.write(chunk)


def _is_unsafe(info: zipfile.ZipInfo) -> bool:
    # zipfile turns the platform's separator into "/" and cuts names at NUL: judge what was written.
    name = info.orig_filename
    parts = name.split("/")
    return (
        not name
        or name.startswith("/")
        or "\\" in name
        or "\x00" in name
        or ".." in parts
        or (len(name) > 1 and name[1] == ":")
        or stat.S_ISLNK(info.external_attr >> 16)
    )


def _is_skipped(name: str) -> bool:
    """Folders, and what operating systems leave behind."""
    base = posixpath.basename(name)
    junk = name.startswith("__MACOSX/") or base.lower() in _JUNK_NAMES or base.startswith("._")
    return junk or name.endswith("/")


def _overlapping(infos: list[zipfile.ZipInfo]) -> set[int]:
    """Header offsets of members whose packed bytes reach into each other's: the mark of a bomb."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    found: set[int] = set()
    end, holder = -1, -1
    for info in ordered:
        if info.header_offset < end:
            found |= {holder, info.header_offset}
        if info.header_offset + info.compress_size > end:
            end, holder = info.header_offset + max(info.compress_size, 1), info.header_offset
    return found


def _check_directory_size(stream: BinaryIO, limits: Limits) -> None:
    """Refuse a directory that would take more memory than an allowed archive's, before it is parsed."""
    size_bytes = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size_bytes - _END_BYTES - _MAX_COMMENT_BYTES - 128))
    tail = stream.read()
    plain = tail[-_END_BYTES:]
    end = plain if plain.startswith(_END) else tail[tail.rfind(_END) :]
    if not end.startswith(_END) or len(end) < _END_BYTES:
        raise ZipCorruptError("The archive has no directory at its end; it was probably cut short.")
    (directory_bytes,) = struct.unpack("<I", end[12:16])
    at = tail.rfind(_END64)
    if 0 <= at <= len(tail) - _SIZE64_END:
        (large,) = struct.unpack("<Q", tail[at + _SIZE64_END - 8 : at + _SIZE64_END])
        directory_bytes = large if directory_bytes == _SEE_ZIP64 else max(directory_bytes, large)
    if directory_bytes > limits.max_zip_members * _DIRECTORY_BYTES_PER_MEMBER:
        raise _too_many(limits)
    # Parsed, an entry of 46 bytes takes half a kilobyte: a directory of short names holds many.
    last_byte = size_bytes - len(tail) + tail.rfind(_END)
    if _count_entries(stream, max(0, last_byte - directory_bytes), last_byte) > limits.max_zip_members:
        raise _too_many(limits)


def _count_entries(stream: BinaryIO, start: int, stop: int) -> int:
    """Count the marks of directory entries between two offsets; at least as many as there are entries."""
    found, carried = 0, b""
    stream.seek(start)
    while start < stop and (piece := stream.read(min(_CHUNK_BYTES, stop - start))):
        start += len(piece)
        piece = carried + piece
        found += piece.count(_ENTRY)
        carried = piece[-(len(_ENTRY) - 1) :]
    return found


def _too_many(limits: Limits) -> ZipTooManyMembersError:
    return ZipTooManyMembersError(f"The archive has more than {limits.max_zip_members} members. Split it.")
