"""Changes of bytes: some blind, some that know where a format keeps its lengths, offsets and counts."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from random import Random

from benchmarks.fuzz.archive_fields import change_zip
from benchmarks.fuzz.picture_fields import change_jpeg, change_png
from benchmarks.fuzz.texts import change_csv, change_json
from benchmarks.fuzz.tiff_fields import change_tiff
from benchmarks.fuzz.values import interesting
from benchmarks.fuzz.weight_fields import change_safetensors

MAX_BYTES = 4 * 1024**2

Change = Callable[[bytes, Random], bytes]

STRUCTURAL: Mapping[str, Change] = {
    "tiff": change_tiff,
    "png": change_png,
    "jpeg": change_jpeg,
    "zip": change_zip,
    "json": change_json,
    "csv": change_csv,
    "safetensors": change_safetensors,
}
_MAGIC: Sequence[tuple[bytes, str]] = (
    (b"II", "tiff"),
    (b"MM", "tiff"),
    (b"\x89PNG", "png"),
    (b"\xff\xd8", "jpeg"),
    (b"PK", "zip"),
    (b"{", "json"),
    (b"[", "json"),
    (b"file,", "csv"),
)
_DICTIONARY: Sequence[bytes] = (
    *(
        b"II*\0",
        b"MM\0*",
        b"II+\0",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"PK\x03\x04",
        b"PK\x01\x02",
        b"PK\x05\x06",
    ),
    *(
        b"IHDR",
        b"IDAT",
        b"IEND",
        b"acTL",
        b"zTXt",
        b"iCCP",
        b"<OME",
        b"OME>",
        b"ImageJ=",
        b"<!DOCTYPE",
        b"../",
    ),
    *(b"\0", b"\xff" * 8, b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n", b'"', b"%s", b"{group}", b"*"),
)


def mutate(data: bytes, corpus: Sequence[bytes], rng: Random) -> bytes:
    """Change some bytes of an input.

    Parameters
    ----------
    corpus
        Inputs of the same format, for splices.
    """
    changed = data
    while True:
        changed = _changed_once(changed, corpus, rng)[:MAX_BYTES]
        if rng.random() < 1 / 2 or not changed:
            return changed


def form_of(data: bytes) -> str:
    """Tell which structural changes fit: by the first bytes, and empty for none."""
    found = next((form for magic, form in _MAGIC if data.startswith(magic)), "")
    return found or ("safetensors" if data[8:10] == b'{"' else "")


def _changed_once(data: bytes, corpus: Sequence[bytes], rng: Random) -> bytes:
    structural = STRUCTURAL.get(form_of(data))
    if structural is not None and rng.random() < 2 / 3:
        return structural(data, rng)
    if rng.random() < 1 / 8:
        return _splice(data, rng.choice(corpus), rng)
    return rng.choice(_BLIND)(data, rng)


def _flip(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(data: bytes, rng: Random) -> bytes:
    """Put a number that breaks things where a number may be."""
    width = rng.choice((1, 2, 4, 8))
    if len(data) < width:
        return data
    at = rng.randrange(len(data) - width + 1)
    number = interesting(rng, len(data)) % (1 << 8 * width)
    order = rng.choice("<>")
    return (
        data[:at] + struct.pack(order + {1: "B", 2: "H", 4: "I", 8: "Q"}[width], number) + data[at + width :]
    )


def _truncate(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _delete(data: bytes, rng: Random) -> bytes:
    start, stop = _window(data, rng)
    return data[:start] + data[stop:]


def _repeat(data: bytes, rng: Random) -> bytes:
    start, stop = _window(data, rng)
    return data[:stop] + data[start:stop] * rng.choice((1, 2, 50)) + data[stop:]


def _insert(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.randint(1, 64)) + data[at:]


def _word(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    word = rng.choice(_DICTIONARY)
    return data[:at] + word + data[at + rng.choice((0, len(word))) :]


def _splice(data: bytes, other: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _window(data: bytes, rng: Random) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 4, 12, 100, 1000)))


_BLIND: Sequence[Change] = (_flip, _overwrite, _truncate, _delete, _repeat, _insert, _word)
