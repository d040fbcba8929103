"""Keys of stored objects: a room, then the content's SHA-256.

No part of a key comes from a client, so no client can choose a path.
"""

from __future__ import annotations

import hashlib
import re
from typing import BinaryIO, Literal

Room = Literal["originals", "masks", "crops", "artifacts", "embeddings", "checkpoints", "reports", "studies"]
"""Of objects that are found by their content; what clients send lies in ``incoming`` until it is taken."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK_BYTES = 1024**2


def sha256_hex(data: bytes) -> str:
    """Hex SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_stream(stream: BinaryIO) -> str:
    """Hex SHA-256 of a stream from its start; the stream is left at its start."""
    stream.seek(0)
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
    stream.seek(0)
    return digest.hexdigest()


def content_key(room: Room, sha256: str, extension: str = "") -> str:
    """Return for example ``originals/3f/3fa9….tif``; the two digits keep folders small."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256!r} is not a SHA-256 digest.")
    return f"{room}/{sha256[:2]}/{sha256}{extension}"


def incoming_key(upload_id: str) -> str:
    """Key of a file that a client sends by itself; its content is not known before it is taken."""
    return f"incoming/{upload_id}"


def checkpoint_key(job_id: str, name: str) -> str:
    """Key of a job's resumable state, replaced as the job goes on."""
    return f"checkpoints/{job_id}/{name}"
