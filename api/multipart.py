"""Takes multipart forms in as they stream: bounded, hashed on the way, on one spool file.

All files of a form share one temporary file, and each is read through a window on it: a form of
two thousand planes costs one file handle and no memory, and no name that a client sent is a path.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, BinaryIO, Final, cast

from fastapi import HTTPException, Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from api.middleware import raise_body_limit
from services.errors import InvalidInputError, KaryobridgeError

MAX_FIELD_BYTES: Final = 256 * 1024
MAX_FIELDS: Final = 64
# The one text field that may come several times: each names a file that was sent before, and counts as one.
UPLOADS_FIELD: Final = "uploads"
MAX_UPLOAD_ID_BYTES: Final = 64
_MAX_NAME_CHARACTERS: Final = 255
# What separates the parts comes on top of the files; each part has a small header.
_PART_OVERHEAD_BYTES: Final = 4096
# Small pieces are collected, so that the hand-over to a thread is paid once per megabyte.
_WRITE_BYTES: Final = 1024**2


class MalformedBodyError(KaryobridgeError):
    """The body is not the multipart form that its Content-Type promises, or it ends too early."""

    code = "malformed_body"
    title = "The request could not be read"


class TooManyFilesError(KaryobridgeError):
    """More files than one request may carry."""

    code = "too_many_files"
    title = "Too many files in one request"


@dataclass(frozen=True)
class FormLimits:
    """What one form may weigh."""

    max_bytes: int
    max_files: int


@dataclass(frozen=True)
class ReceivedFile:
    """One file of a form: a label, a window on the spool file, and the hash of its bytes."""

    field: str
    filename: str
    size_bytes: int
    sha256: str
    spool: IO[bytes] = dataclasses.field(repr=False)
    offset: int = 0

    def open(self) -> BinaryIO:
        """Open the file's bytes for reading, seekable; closing leaves the spool open."""
        window = _Window(self.spool.fileno(), self.offset, self.size_bytes)
        return cast("BinaryIO", io.BufferedReader(window))


@dataclass(frozen=True)
class ReceivedForm:
    """Text fields by name, and files in the order in which they came, sent along or only named."""

    fields: dict[str, str]
    files: tuple[ReceivedFile, ...]
    uploads: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Sum of the files that were sent along."""
        return sum(file.size_bytes for file in self.files)

    def files_of(self, name: str) -> tuple[ReceivedFile, ...]:
        """Files that came under one field name."""
        return tuple(file for file in self.files if file.field == name)


@asynccontextmanager
async def receive_form(request: Request, limits: FormLimits) -> AsyncIterator[ReceivedForm]:
    """Read a whole multipart body; its spool file lasts as long as the context.

    Raises
    ------
    HTTPException
        415 if the body is no multipart form, 413 if it is larger than allowed.
    MalformedBodyError
        The form is broken or cut short.
    TooManyFilesError, InvalidInputError
        A bound on the parts is exceeded, or a text field is not UTF-8.
    """
    content_type, options = parse_options_header(request.headers.get("content-type"))
    if content_type != b"multipart/form-data":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body as multipart/form-data.")
    boundary = options.get(b"boundary")
    if not boundary:
        raise MalformedBodyError("The Content-Type names no boundary.")
    raise_body_limit(request.scope, limits.max_bytes + limits.max_files * _PART_OVERHEAD_BYTES)
    with tempfile.TemporaryFile(prefix="karyobridge-form-") as spool:
        writer = _FormWriter(boundary, spool, limits)
        async for piece in collected(request):
            await run_in_threadpool(writer.write, piece)
        yield await run_in_threadpool(writer.finish)


async def collected(request: Request) -> AsyncIterator[bytes]:
    """Yield a body in pieces of about a megabyte."""
    pending = bytearray()
    async for piece in request.stream():
        pending += piece
        if len(pending) >= _WRITE_BYTES:
            yield bytes(pending)
            pending.clear()
    yield bytes(pending)


class _Window(io.RawIOBase):
    """Read-only view of a part of a file; reads at absolute positions, so views never disturb."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"Cannot seek to {base + offset}.")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._size - self._position))
        data = os.pread(self._descriptor, wanted, self._offset + self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


@dataclass
class _Part:
    """The part that is being read."""

    disposition: bytes = b""
    name: str = ""
    filename: str | None = None
    text: bytearray = dataclasses.field(default_factory=bytearray)
    offset: int = 0
    size_bytes: int = 0
    digest: hashlib._Hash = dataclasses.field(default_factory=hashlib.sha256)


class _FormWriter:
    """The parser's callbacks: text to memory, files to the spool."""

    def __init__(self, boundary: bytes, spool: IO[bytes], limits: FormLimits) -> None:
        self._spool = spool
        self._limits = limits
        self._fields: dict[str, str] = {}
        self._files: list[ReceivedFile] = []
        self._uploads: list[str] = []
        self._part = _Part()
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise MalformedBodyError(f"The multipart form is broken: {error}") from error

    def write(self, data: bytes) -> None:
        """Parse some more bytes."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise MalformedBodyError(f"The multipart form is broken: {error}") from error

    def finish(self) -> ReceivedForm:
        """Return the form, now that all of it was written."""
        if not self._complete:
            raise MalformedBodyError("The multipart form ends before its last boundary; send it again whole.")
        self._spool.flush()
        return ReceivedForm(self._fields, tuple(self._files), tuple(self._uploads))

    def _on_part_begin(self) -> None:
        self._part = _Part()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._part.disposition = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._part.disposition)
        if b"name" not in options:
            raise MalformedBodyError("A part of the form has no name.")
        self._part.name = options[b"name"].decode("utf-8", "replace")
        if b"filename" in options:
            self._part.filename = label_of(options[b"filename"].decode("utf-8", "replace"))
            self._part.offset = self._spool.tell()
            self._check_number_of_files()
        elif self._part.name == UPLOADS_FIELD:
            self._check_number_of_files()
        elif self._part.name in self._fields:
            raise InvalidInputError(f"The field {self._part.name!r} came twice.", self._part.name)
        elif len(self._fields) >= MAX_FIELDS:
            raise InvalidInputError(f"A form may have {MAX_FIELDS} text fields.", self._part.name)

    def _check_number_of_files(self) -> None:
        if len(self._files) + len(self._uploads) >= self._limits.max_files:
            raise TooManyFilesError(
                f"One request may carry {self._limits.max_files} files; send the rest in another."
            )

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        part = self._part
        part.size_bytes += len(piece)
        if part.filename is not None:
            self._spool.write(piece)
            part.digest.update(piece)
            return
        max_bytes = MAX_UPLOAD_ID_BYTES if part.name == UPLOADS_FIELD else MAX_FIELD_BYTES
        if part.size_bytes > max_bytes:
            raise InvalidInputError(f"The text of this field may have {max_bytes} bytes.", part.name)
        part.text += piece

    def _on_part_end(self) -> None:
        part = self._part
        if part.filename is not None:
            self._files.append(
                ReceivedFile(
                    field=part.name,
                    filename=part.filename,
                    size_bytes=part.size_bytes,
                    sha256=part.digest.hexdigest(),
                    spool=self._spool,
                    offset=part.offset,
                )
            )
            return
        try:
            text = part.text.decode()
        except UnicodeDecodeError as error:
            raise InvalidInputError("The field is not UTF-8 text.", part.name) from error
        if part.name == UPLOADS_FIELD:
            self._uploads.append(text)
        else:
            self._fields[part.name] = text

    def _on_end(self) -> None:
        self._complete = True


def label_of(filename: str) -> str:
    """Return a file's own name: no folders, nothing unprintable, never empty."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    printable = "".join(character if character.isprintable() else "_" for character in name)
    return printable[:_MAX_NAME_CHARACTERS] or "unnamed"
