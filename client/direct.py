"""Large files between this machine and the object store, past the service, where the store lets us.

The service gives addresses that allow one thing with one object for a while. Such an address is the
store's if it is absolute; our key is never sent there. Where the store is not to be reached from here,
the service passes the bytes on itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from client.answers import record_of
from client.errors import ConnectionFailedError, ProblemError, UnexpectedAnswerError
from client.reading import CountingReader
from client.records import Link, Upload
from client.transport import Transport

# Smaller files travel well with their request.
THRESHOLD_BYTES = 64 * 1024**2
CHUNK_BYTES = 1024**2
# A store that is there answers; more attempts would only delay the way around it.
_ATTEMPTS = 2


def is_elsewhere(url: str) -> bool:
    """Whether an address leads away from the service."""
    return not url.startswith("/")


class DirectSender:
    """Sends files ahead of the request that names them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._reachable = True

    def send(self, reader: CountingReader) -> str | None:
        """Send one file; returns the id to name, or None if the service takes files only with a request.

        Raises
        ------
        LocalFileError, ProblemError, ConnectionFailedError
        """
        told = {"filename": reader.file.name, "size_bytes": reader.file.size_bytes}
        try:
            answer = self._transport.json("POST", "v1/uploads", json=told)
        except ProblemError as error:
            if error.status in (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED):
                return None  # an older service
            raise
        upload = record_of(self._transport, Upload, answer)
        own_path = f"v1/uploads/{upload.id}/content"
        if upload.url is None or not self._sent_elsewhere(upload.url, upload.headers, reader):
            headers = {"Content-Type": "application/octet-stream"}
            self._transport.send("PUT", own_path, content=reader, headers=headers)
        return upload.id

    def _sent_elsewhere(self, url: str, headers: dict[str, str], reader: CountingReader) -> bool:
        if not is_elsewhere(url) or not self._reachable:
            return False
        try:
            with self._transport.elsewhere(
                "PUT", url, headers=headers, content=reader, attempts=_ATTEMPTS
            ) as response:
                return response.is_success
        except ConnectionFailedError:
            self._reachable = False
            return False


@contextmanager
def linked(transport: Transport, link: Link) -> Iterator[Iterator[bytes]]:
    """Read a stored file from the store, checked while it is read.

    Raises
    ------
    ConnectionFailedError
        The store is not to be reached, or breaks off.
    UnexpectedAnswerError
        It does not give this file.
    """
    with transport.elsewhere("GET", link.url, headers=link.headers, attempts=_ATTEMPTS) as response:
        if not response.is_success:
            raise UnexpectedAnswerError(_host(link.url), f"status {response.status_code}")
        yield _checked(link, response.iter_bytes(CHUNK_BYTES))


def _checked(link: Link, pieces: Iterator[bytes]) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != link.sha256:
        raise UnexpectedAnswerError(_host(link.url), f"{link.filename} has another hash")


def _host(url: str) -> str:
    """Leave out of an address what lets its holder use it."""
    return httpx.URL(url).host
