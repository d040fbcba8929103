"""Downloads that are either whole or absent: a file appears under its name when it is complete."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from client.errors import LocalFileError
from client.transport import Transport

CHUNK_BYTES = 1024 * 1024


def download(transport: Transport, path: str, to: Path, **params: Any) -> Path:
    """Stream the answer of ``GET path`` into the file `to`, which is replaced.

    Raises
    ------
    LocalFileError
        The file cannot be written.
    ProblemError, ConnectionFailedError
        As for every request; a download that breaks half-way leaves no file.
    """
    given = {name: value for name, value in params.items() if value is not None}
    with transport.stream(path, params=given) as response:
        return write_whole(to, response.iter_bytes(CHUNK_BYTES))


def write_whole(to: Path, chunks: Iterable[bytes]) -> Path:
    """Write chunks to a file that is whole or absent; errors as `whole_file`."""
    with whole_file(to) as stream:
        stream.writelines(chunks)
    return to


@contextmanager
def whole_file(to: Path) -> Iterator[BinaryIO]:
    """Open a neighbouring temporary file, and move it to its name if the block ends well.

    Raises
    ------
    LocalFileError
        The folder or the file cannot be written.
    """
    # The random part lets several exports write into one folder; the usual mode bits apply, unlike
    # those of `tempfile`, whose files stay private under their final name.
    temporary = to.with_name(f".{to.name[:80]}.{uuid.uuid4().hex[:12]}.part")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as stream:
            yield stream
        temporary.replace(to)
    except OSError as error:
        raise LocalFileError(to, error.strerror or "cannot be written") from error
    finally:
        # What the folder refuses now is told by the error above already.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
