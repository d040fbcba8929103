"""Forms that stream in."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Iterable

import pytest
from fastapi import HTTPException, Request
from starlette.datastructures import Headers

from api.middleware import BODY_LIMIT_KEY, BodyLimiter
from api.multipart import FormLimits, MalformedBodyError, TooManyFilesError, receive_form
from services.errors import InvalidInputError

LIMITS = FormLimits(max_bytes=100_000, max_files=3)


def request_of(pieces: Iterable[bytes], content_type: str = "multipart/form-data; boundary=B") -> Request:
    """Make a request whose body arrives in pieces."""
    messages = iter(pieces)

    async def receive() -> dict[str, object]:
        piece = next(messages, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type.encode())]}
    limiter = BodyLimiter(receive, Headers(scope=scope), 10)
    return Request(scope | {BODY_LIMIT_KEY: limiter}, limiter.receive)


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    label = f'; filename="{filename}"' if filename is not None else ""
    return f'--B\r\nContent-Disposition: form-data; name="{name}"{label}\r\n\r\n'.encode() + content + b"\r\n"


def read(body: bytes, piece_bytes: int, limits: FormLimits = LIMITS) -> tuple[dict[str, str], list[bytes]]:
    """Receive a form in pieces; returns its fields and its files' bytes."""

    async def receive() -> tuple[dict[str, str], list[bytes]]:
        pieces = [body[start : start + piece_bytes] for start in range(0, len(body), piece_bytes)]
        async with receive_form(request_of(pieces), limits) as form:
            contents = [file.open().read() for file in form.files]

            assert [hashlib.sha256(content).hexdigest() for content in contents] == [
                file.sha256 for file in form.files
            ]
            return form.fields, contents

    return asyncio.run(receive())


class TestReceiveForm:
    @pytest.mark.parametrize("piece_bytes", [1, 7, 100_000])
    def test_pieces_do_not_matter(self, piece_bytes: int) -> None:
        """However the network cuts a body, fields and files are the same."""
        body = part("sample", b"S\xc3\xa4") + part("files", b"\r\n--B\r-" * 50, "a") + part("files", b"", "b")

        assert ({"sample": "Sä"}, [b"\r\n--B\r-" * 50, b""]) == read(body + b"--B--\r\n", piece_bytes)

    @pytest.mark.parametrize(
        ("sent", "label"),
        [
            ("a.tif", "a.tif"),
            ("../../etc/passwd", "passwd"),
            ("C:\\\\scans\\\\a.tif", "a.tif"),
            ("a\x01b.tif", "a_b.tif"),
            ("", "unnamed"),
            ("folder/", "unnamed"),
            ("x" * 300, "x" * 255),
        ],
    )
    def test_file_name_is_a_label(self, sent: str, label: str) -> None:
        """A file's name has no folder and nothing unprintable, and is never empty or long."""

        async def receive() -> list[str]:
            body = part("files", b"x", sent) + b"--B--\r\n"
            async with receive_form(request_of([body]), LIMITS) as form:
                return [file.filename for file in form.files]

        assert [label] == asyncio.run(receive())

    def test_files_are_windows(self) -> None:
        """Each file reads, seeks and ends by itself, although all share one spool."""

        async def receive() -> tuple[bytes, bytes, int, bytes]:
            body = part("files", b"0123456789", "a") + part("files", b"abc", "b") + b"--B--\r\n"
            async with receive_form(request_of([body]), LIMITS) as form:
                first, second = (file.open() for file in form.files)
                first.seek(-3, io.SEEK_END)
                return first.read(), second.read(2), first.seek(0), first.read(4)

        assert (b"789", b"ab", 0, b"0123") == asyncio.run(receive())

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"garbage",
            part("sample", b"x"),
            part("sample", b"x")[:-20],
            b"--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--\r\n",
            part("x" * 10_000, b"x") + b"--B--\r\n",
        ],
    )
    def test_broken_form(self, body: bytes) -> None:
        """What is no whole form is told so."""
        with pytest.raises(MalformedBodyError):
            read(body, 50)

    @pytest.mark.parametrize(
        "body",
        [
            part("sample", b"\xff"),
            part("sample", b"a") + part("sample", b"b"),
            part("sample", b"a" * 300_000),
            b"".join(part(f"f{n}", b"") for n in range(65)),
            part("uploads", b"a" * 65),
        ],
    )
    def test_unusable_fields(self, body: bytes) -> None:
        """Text fields are UTF-8, come once, and are bounded in size and number."""
        with pytest.raises(InvalidInputError):
            read(body + b"--B--\r\n", 100_000, FormLimits(max_bytes=10**6, max_files=3))

    def test_too_many_files(self) -> None:
        """The number of files is bounded."""
        with pytest.raises(TooManyFilesError):
            read(b"".join(part("files", b"x", str(n)) for n in range(4)) + b"--B--\r\n", 100_000)

    def test_named_uploads_are_files(self) -> None:
        """The one field that may be repeated keeps its order, and counts towards the number of files."""
        body = part("uploads", b"upl_2") + part("files", b"x", "a") + part("uploads", b"upl_1")

        async def named() -> tuple[str, ...]:
            async with receive_form(request_of([body + b"--B--\r\n"]), LIMITS) as form:
                return form.uploads

        assert ("upl_2", "upl_1") == asyncio.run(named())
        with pytest.raises(TooManyFilesError):
            read(body + part("uploads", b"upl_3") + b"--B--\r\n", 100_000)

    def test_too_many_bytes(self) -> None:
        """The size of the whole is bounded, while it streams."""
        with pytest.raises(HTTPException) as caught:
            read(part("files", bytes(120_000), "a") + b"--B--\r\n", 10_000, FormLimits(10_000, 1))

        assert 413 == caught.value.status_code

    def test_another_content_type(self) -> None:
        """Only multipart forms are taken."""

        async def receive() -> None:
            async with receive_form(request_of([b"{}"], "application/json"), LIMITS):
                pass

        with pytest.raises(HTTPException) as caught:
            asyncio.run(receive())

        assert 415 == caught.value.status_code
