"""Server-sent events, read from a byte stream.

Lines end at CR, LF or CRLF and nowhere else: splitting as text would also cut at U+2028, which JSON
may carry unescaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_LINE_BYTES = 4 * 1024 * 1024


class EventTooLongError(ValueError):
    """A line of the stream exceeds any event that the service sends."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its type (``message`` unless named) and its data."""

    event: str
    data: str


def parse_events(chunks: Iterable[bytes]) -> Iterator[ServerEvent]:
    """Yield the complete events of a stream; an unfinished last event is dropped, as the standard says.

    Raises
    ------
    EventTooLongError
        A line is longer than `MAX_LINE_BYTES`.
    """
    name = ""
    data: list[str] = []
    for line in _lines(chunks):
        if not line:
            if data:
                yield ServerEvent(name or "message", "\n".join(data))
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    pending, after_cr = b"", False
    for chunk in filter(None, chunks):
        # A CR ends its line at once; if a LF follows in the next chunk, it was half of a CRLF.
        text = chunk[1:] if after_cr and chunk.startswith(b"\n") else chunk
        after_cr = chunk.endswith(b"\r")
        *complete, pending = (pending + text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).split(b"\n")
        if len(pending) > MAX_LINE_BYTES:
            raise EventTooLongError(f"A line of the event stream is longer than {MAX_LINE_BYTES} bytes.")
        for line in complete:
            yield line.decode("utf-8", errors="replace")
