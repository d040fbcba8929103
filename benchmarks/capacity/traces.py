"""What the load leaves behind in database and store, from what one metaphase was measured to leave."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MINUTES_PER_DAY = 24 * 60


@dataclass(frozen=True)
class Footprint:
    """What one scored metaphase leaves (``python -m benchmarks.footprint``)."""

    rows: float
    row_bytes: float
    object_bytes: float
    objects: float

    @classmethod
    def read(cls, path: Path) -> Footprint:
        """Read the numbers that the footprint benchmark wrote."""
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["per_metaphase"]
        return cls(told["rows"], told["row_bytes"], told["object_bytes"], told["objects"])


def footprint_per_day(one: Footprint, images_per_min: float) -> dict[str, float]:
    """Return rows and bytes of a day at full load, and rows per second."""
    images = images_per_min * MINUTES_PER_DAY
    return {
        "metaphases": images,
        "rows": one.rows * images,
        "rows_per_s": one.rows * images_per_min / 60,
        "database_bytes": one.row_bytes * images,
        "object_bytes": one.object_bytes * images,
        "objects": one.objects * images,
    }
