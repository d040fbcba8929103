"""A file that a process touches as it goes round, and the health check that looks at its age.

``python -m services.heartbeat FILE`` ends with 0 if the file was touched lately. A process without a
port can be asked whether it lives like this; one that hangs stops touching.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

DEFAULT_MAX_AGE_S: Final = 120.0


def beat(path: str) -> None:
    """Touch the file; nothing happens without a path."""
    if path:
        Path(path).touch()


def age_s(path: Path) -> float:
    """Return the seconds since the last touch; infinite if there was none."""
    try:
        return max(time.time() - path.stat().st_mtime, 0.0)
    except FileNotFoundError:
        return float("inf")


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at a heartbeat; returns 0 while it is fresh."""
    parser = argparse.ArgumentParser(prog="python -m services.heartbeat", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--max-age-s", type=float, default=DEFAULT_MAX_AGE_S)
    options = parser.parse_args(arguments)
    age = age_s(options.file)
    if age <= options.max_age_s:
        return 0
    print(f"No heartbeat within {options.max_age_s:g} s (the last was {age:.0f} s ago).")  # noqa: T201 - a command's answer
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
