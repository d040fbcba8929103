"""Changes of a safetensors file's header: shapes, types and places of its tensors."""

from __future__ import annotations

from random import Random

from benchmarks.fuzz.texts import change_json
from benchmarks.fuzz.values import interesting


def change_safetensors(data: bytes, rng: Random) -> bytes:
    """Change the header as the JSON that it is, and mostly correct its length."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        return data
    header = change_json(data[8 : 8 + length], rng)
    claimed = len(header) if rng.random() < 7 / 8 else interesting(rng, len(data)) % (1 << 64)
    return claimed.to_bytes(8, "little") + header + data[8 + length :]
