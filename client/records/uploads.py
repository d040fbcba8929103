"""Large files that travel by themselves, and links to stored ones."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from client.records.base import Record


class Upload(Record):
    """A promised file: where to send it, and how far it is."""

    id: str
    filename: str
    size_bytes: int
    state: str
    url: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    expires_at: datetime | None = None


class Link(Record):
    """Where the bytes of a stored file are to be had."""

    filename: str
    size_bytes: int
    sha256: str
    url: str
    headers: dict[str, str] = Field(default_factory=dict)


class Links(Record):
    """Links to every stored file of one thing."""

    items: tuple[Link, ...]
