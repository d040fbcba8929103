"""Text for the cards of artifacts: what a manifest says stays on its line, in its cell, in its quote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

MAX_GROUPS: Final = 60
_SPLIT_NAMES: Final = MappingProxyType({"val": "validation", "left_out": "left-out groups"})


def split_name(split: str) -> str:
    """Call a split by its full name."""
    return line(_SPLIT_NAMES.get(split, split))


def listed(names: Sequence[str]) -> str:
    """List names on one line; of very many, how many more there are."""
    more = f" and {len(names) - MAX_GROUPS} more" if len(names) > MAX_GROUPS else ""
    return ", ".join(line(name) for name in names[:MAX_GROUPS]) + more


def line(text: object) -> str:
    """Text on one line, so that it cannot open a section of its own."""
    return " ".join(str(text).split())


def cell(text: object) -> str:
    """Text that stays within its cell."""
    return line(text).replace("|", "\\|")


def uploaded_as(manifest: Mapping[str, Any], more: str) -> str:
    """Of an import, say under which name it came and what it was called there, and `more`; else nothing."""
    imported: Mapping[str, Any] = manifest.get("imported") or {}
    if not imported:
        return ""
    name = f', which was called "{line(imported["name"])}" there' if imported.get("name") else ""
    return f"Uploaded as `{line(imported.get('filename'))}`{name}. {more}".strip()


def simulated_note(manifest: Mapping[str, Any]) -> str:
    """Say of what learnt from simulated crops that it did; else nothing."""
    if not manifest.get("simulated"):
        return ""
    return (
        "**Simulated.** It learnt from crops that were drawn by a simulator. No figure here tells how good "
        "it is on real chromosomes, and it cannot become `production`."
    )


def quote(text: str) -> str:
    """Text as a quotation, every line of it."""
    return "\n".join(f"> {one}".rstrip() for one in text.strip().splitlines())
