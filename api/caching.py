"""Answers that browsers and LIMS may keep: an ETag for all, for ever where the content never changes."""

from __future__ import annotations

import hashlib
from typing import Final

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from services.storage.base import ObjectStore

# Private: a shared cache must not hand a patient's picture to the next caller.
IMMUTABLE: Final = "private, max-age=31536000, immutable"
REVALIDATE: Final = "private, no-cache"

_ETAG_CHARACTERS = 32


def bytes_answer(
    request: Request, content: bytes, media_type: str, *, immutable: bool, filename: str | None = None
) -> Response:
    """Answer with some bytes, or with 304 if the caller has them already."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:_ETAG_CHARACTERS]}"'
    headers = cache_headers(etag, immutable=immutable, filename=filename)
    if is_fresh(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def stored_answer(
    request: Request,
    store: ObjectStore,
    key: str,
    *,
    sha256: str,
    size_bytes: int,
    filename: str,
    immutable: bool,
) -> Response:
    """Answer with an object of the store as it lies there, or with 304 if the caller has it already."""
    etag = f'"{sha256}"'
    headers = cache_headers(etag, immutable=immutable, filename=filename)
    if is_fresh(request, etag):
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(size_bytes)
    return StreamingResponse(store.stream(key), media_type="application/octet-stream", headers=headers)


def cache_headers(etag: str, *, immutable: bool, filename: str | None = None) -> dict[str, str]:
    """Return the headers of a cacheable answer."""
    headers = {"ETag": etag, "Cache-Control": IMMUTABLE if immutable else REVALIDATE}
    if filename is not None:
        headers["Content-Disposition"] = f'attachment; filename="{_ascii(filename)}"'
    # Uploaded bytes must never be taken for a page of ours.
    headers["X-Content-Type-Options"] = "nosniff"
    return headers


def is_fresh(request: Request, etag: str) -> bool:
    """Whether the caller named this version in If-None-Match."""
    named = request.headers.get("if-none-match", "")
    return any(candidate.strip().removeprefix("W/") in (etag, "*") for candidate in named.split(","))


def _ascii(filename: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in filename)
