"""One large local file as a form: streamed from disk, counted, and sent again if need be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from client.channel_rules import LocalFile
from client.direct import THRESHOLD_BYTES, DirectSender
from client.errors import ClientError, LocalFileError
from client.reading import CountingReader
from client.transport import Transport


def send_file(
    transport: Transport,
    path: str,
    file: Path,
    told: Mapping[str, Any],
    on_progress: Callable[[int], None] | None = None,
    *,
    answer_timeout_s: float | None = None,
) -> Any:
    """POST a file in the form field `file`, or a large one ahead of the form, and return the answer's JSON.

    Parameters
    ----------
    told
        The other fields; None is left out.
    on_progress
        Called with the bytes sent.
    answer_timeout_s
        How long the service may work on the file before it answers, where that takes longer than usual.

    Raises
    ------
    LocalFileError
        There is no such file, or it cannot be read.
    ProblemError, ConnectionFailedError
    """
    if not file.is_file():
        raise LocalFileError(file, "there is no such file.")
    tell = on_progress or (lambda _: None)
    options = {} if answer_timeout_s is None else {"answer_timeout_s": answer_timeout_s}
    with CountingReader(LocalFile(file, file.stat().st_size), lambda _: tell(reader.read_bytes)) as reader:
        try:
            large = reader.file.size_bytes >= THRESHOLD_BYTES
            upload_id = DirectSender(transport).send(reader) if large else None
            part = ("file", (file.name, reader)) if upload_id is None else ("uploads", (None, upload_id))
            return transport.json(
                "POST",
                path,
                data={name: str(value) for name, value in told.items() if value is not None},
                files=[part],
                **options,
            )
        except httpx.LocalProtocolError as error:
            raise ClientError(
                f"{file} changed its size while it was being sent ({error}). Run again."
            ) from error
