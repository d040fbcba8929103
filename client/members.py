"""Members of JSON that nobody promised: what is missing or of another type is nothing, and no error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def members(value: Any) -> Mapping[str, Any]:
    """The members of an object; none where the value is something else."""
    return value if isinstance(value, Mapping) else {}


def number(value: Any) -> float | None:
    """A number, or None where the value is something else."""
    return float(value) if isinstance(value, int | float) else None
