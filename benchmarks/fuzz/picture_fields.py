"""Changes of PNG chunks, with checksums that are right again, and of JPEG segments."""

from __future__ import annotations

import re
import struct
import zlib
from random import Random

from benchmarks.fuzz.values import interesting

Chunk = tuple[bytes, bytes]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BOMB = zlib.compress(bytes(3 * 1024**2), 9)
_ADDED: tuple[Chunk, ...] = (
    (b"zTXt", b"Comment\0\0" + _BOMB),
    (b"iCCP", b"profile\0\0" + _BOMB),
    (b"iTXt", b"Comment\0\1\0\0\0" + _BOMB),
    (b"tEXt", b"Comment\0" + bytes(2000)),
    (b"acTL", struct.pack(">II", 0xFFFFFFFF, 0)),
    (b"acTL", struct.pack(">II", 2, 1)),
    (b"fcTL", struct.pack(">IIIIIHHBB", 0, 1 << 20, 1 << 20, 0, 0, 1, 1, 0, 0)),
    (b"fdAT", bytes(4) + zlib.compress(bytes(100))),
    (b"PLTE", bytes(768)),
    (b"tRNS", bytes(300)),
    (b"gAMA", bytes(4)),
    (b"cHRM", bytes(32)),
    (b"eXIf", b"II*\0\x08\0\0\0\xff\xff"),
    (b"pHYs", b"\xff" * 9),
    (b"IEND", b""),
    (b"aaAa", b""),
)
_SIZE_FIELDS = 7
_MARKERS = re.compile(rb"\xff[\x01-\xfe]")


def change_png(data: bytes, rng: Random) -> bytes:
    """Change, add, drop, move or repeat a chunk; all checksums fit, one time in eight a length does not."""
    chunks = _chunks(data)
    if not chunks:
        return data
    index = rng.randrange(len(chunks))
    name, content = chunks[index]
    what = rng.randrange(7)
    if what == 0:
        chunks.insert(index + 1, rng.choice(_ADDED))
    elif what == 1:
        chunks.pop(index)
    elif what == 2:
        chunks[index : index + 1] = [chunks[index]] * rng.choice((2, 3, 200))
    elif what == 3:
        other = rng.randrange(len(chunks))
        chunks[index], chunks[other] = chunks[other], chunks[index]
    elif what == 4:
        chunks[index] = (name, _damaged(content, rng))
    elif what == 5:
        chunks[0] = (b"IHDR", _other_header(chunks[0][1], rng))
    else:
        chunks = [_other_pixels(chunk, rng) for chunk in chunks]
    packed = bytearray(_packed(chunks))
    if rng.random() < 1 / 8:
        at = rng.randrange(8, len(packed)) if len(packed) > 9 else 8
        packed[at : at + 4] = struct.pack(">I", interesting(rng, len(packed)) & 0xFFFFFFFF)
    return bytes(packed)


def _chunks(data: bytes) -> list[Chunk]:
    found, at = [], len(_SIGNATURE)
    while at + 8 <= len(data) and len(found) < 5000:
        length = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _packed(chunks: list[Chunk]) -> bytes:
    pieces = [_SIGNATURE]
    for name, content in chunks:
        pieces += [
            struct.pack(">I", len(content)),
            name,
            content,
            struct.pack(">I", zlib.crc32(name + content)),
        ]
    return b"".join(pieces)


def _damaged(content: bytes, rng: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed[: rng.choice((len(changed), rng.randrange(len(changed) + 1)))])


def _other_header(content: bytes, rng: Random) -> bytes:
    """Another width, height, depth, colour type, compression, filter or interlacing."""
    if len(content) != 13:
        return content
    fields = list(struct.unpack(">IIBBBBB", content))
    which = rng.randrange(_SIZE_FIELDS)
    fields[which] = interesting(rng, 4096) & (0xFFFFFFFF if which < 2 else 0xFF)
    if which > 2:
        fields[which] = rng.choice((0, 1, 2, 3, 4, 6, 255))
    return struct.pack(">IIBBBBB", *fields)


def _other_pixels(chunk: Chunk, rng: Random) -> Chunk:
    """Rows of another filter or length, packed so that only the decoder of rows can notice."""
    name, content = chunk
    if name != b"IDAT":
        return chunk
    try:
        rows = zlib.decompress(content)
    except zlib.error:
        return chunk
    extended = _damaged(rows, rng) + bytes(rng.choice((0, 1, 100_000)))
    return name, zlib.compress(extended, rng.choice((0, 6, 9)))


def change_jpeg(data: bytes, rng: Random) -> bytes:
    """Change, repeat or drop a segment, or the size that the frame header claims."""
    starts = [found.start() for found in _MARKERS.finditer(data, 0, max(0, len(data) - 2))]
    if not starts:
        return data
    at = rng.choice(starts)
    changed = bytearray(data)
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    segment = data[at : at + 2 + length]
    what = rng.randrange(5)
    if what == 0:
        changed[at + 2 : at + 4] = struct.pack(">H", interesting(rng, length) & 0xFFFF)
    elif what == 1:
        changed[at:at] = segment * rng.choice((1, 2, 300))
    elif what == 2:
        del changed[at : at + len(segment)]
    elif what == 3:
        changed[at + 1] = rng.choice(
            (0xC0, 0xC1, 0xC2, 0xC4, 0xC9, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0, 0xE1, 0xE2, 0xFE)
        )
    else:
        frame = next((one for one in starts if data[one + 1] in (0xC0, 0xC1, 0xC2)), at)
        field = frame + rng.choice((5, 7))
        changed[field : field + 2] = struct.pack(">H", interesting(rng, 65535) & 0xFFFF)
    return bytes(changed)
