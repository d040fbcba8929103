"""Whether the service is there."""

from __future__ import annotations

from client.records.base import Record


class PartHealth(Record):
    """One part that the service leans on."""

    name: str
    ok: bool
    detail: str = ""


class Health(Record):
    """Whether everything that requests need is reachable."""

    ready: bool
    parts: tuple[PartHealth, ...] = ()
