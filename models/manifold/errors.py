"""What can be wrong with rows, or with a map."""

from __future__ import annotations

from typing import ClassVar


class ManifoldError(ValueError):
    """The rows cannot be laid on this map, or the arrays are none."""

    code: ClassVar[str] = "projection_failed"
    title: ClassVar[str] = "The rows cannot be projected"
