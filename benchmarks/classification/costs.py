"""Tables of what `benchmarks.classification.speed` and `.scoring_memory` measured."""

from __future__ import annotations

import json
from pathlib import Path

_NOT_YET = "Not measured yet."


def speed_table(path: Path) -> str:
    """Medians and ratios of the speed benchmark as Markdown."""
    if not path.exists():
        return _NOT_YET
    measured = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        f"| {row['what']} | {row['unit']} | {row['plain']:.0f} | {row['ours']:.0f} | {row['ratio']:.2f} |"
        for row in measured["rows"]
    ]
    return "\n".join(["| | unit | plain loop | ours | ratio |", "|---|---|---|---|---|", *rows])


def memory_table(path: Path) -> str:
    """Seconds and resident memory of the scoring job as Markdown."""
    if not path.exists():
        return _NOT_YET
    measured = json.loads(path.read_text(encoding="utf-8"))
    rows = {
        "crops": f"{measured['crops']}",
        "crops in a pack": f"{measured['crops_per_pack']}",
        "seconds": f"{measured['seconds']:.0f}",
        "crops / s": f"{measured['crops_per_s']:.0f}",
        "resident memory, first tenth": f"{measured['rss_mib_first_tenth']:.0f} MiB",
        "resident memory, last tenth": f"{measured['rss_mib_last_tenth']:.0f} MiB",
        "resident memory, most": f"{measured['rss_mib_max']:.0f} MiB",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])
