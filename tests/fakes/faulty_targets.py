"""A parser with one fault of every kind that fuzzing looks for."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fuzz.target import Target

_kept: list[bytearray] = []


def faulty(data: bytes) -> Sequence[str]:
    """Do what the input says."""
    match data:
        case b"raise":
            raise KeyError("no name for this")
        case b"grow":
            _kept.append(bytearray(b"x") * (400 * 1024**2))
        case b"leave":
            (Path(tempfile.gettempdir()) / "left.tmp").write_bytes(b"x")
        case b"end":
            raise SystemExit(1)
    return ["accepted"]


TARGETS = {"faulty": Target(lambda: (b"sound",), faulty)}
