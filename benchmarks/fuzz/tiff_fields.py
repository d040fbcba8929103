"""Changes of a TIFF's directories: tags, types, counts, offsets and the chain itself."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from benchmarks.fuzz.values import interesting

# Whatever steers a reader: sizes, samples, strips, tiles, colours, and what vendors read on sight.
_TAGS = (
    *(254, 255, 256, 257, 258, 259, 262, 266, 270, 273, 274, 277, 278, 279, 282, 283, 284, 296, 297, 301),
    *(317, 320, 322, 323, 324, 325, 330, 338, 339, 347, 530, 532, 700, 32997, 33432, 33628, 33629, 33630),
    *(33723, 34118, 34361, 34362, 34377, 34412, 34665, 34675, 34853, 37706, 50838, 50839, 51023, 65330),
)
_MAX_DIRECTORIES = 40


@dataclass(frozen=True)
class _Layout:
    """Widths of classic TIFF or BigTIFF."""

    order: str
    first_at: int
    count: str
    number: str
    entry_bytes: int


@dataclass(frozen=True)
class _Directory:
    at: int
    entries: tuple[int, ...]
    next_at: int


def change_tiff(data: bytes, rng: Random) -> bytes:
    """Change one field of one directory; bytes without a directory stay as they are."""
    layout = _layout(data)
    directories = list(_directories(data, layout))
    if not directories:
        return data
    directory = rng.choice(directories)
    changed = bytearray(data)
    if not directory.entries or rng.random() < 1 / 8:
        _change_chain(changed, layout, directories, directory, rng)
    else:
        _change_entry(changed, layout, directory, rng)
    return bytes(changed)


def _layout(data: bytes) -> _Layout:
    order = ">" if data[:1] == b"M" else "<"
    if b"+" in data[2:4]:
        return _Layout(order, 8, "Q", "Q", 20)
    return _Layout(order, 4, "H", "I", 12)


def _directories(data: bytes, layout: _Layout) -> Iterator[_Directory]:
    """Every directory that can be found, whatever is wrong with it."""
    at, seen = _number(data, layout, layout.first_at), 0
    while 0 < at < len(data) and seen < _MAX_DIRECTORIES:
        width = struct.calcsize(layout.count)
        if at + width > len(data):
            return
        (count,) = struct.unpack_from(layout.order + layout.count, data, at)
        first = at + width
        fitting = min(count, 200, max(0, (len(data) - first) // layout.entry_bytes))
        entries = tuple(first + index * layout.entry_bytes for index in range(fitting))
        next_at = first + count * layout.entry_bytes
        yield _Directory(at, entries, next_at)
        at, seen = _number(data, layout, next_at), seen + 1


def _number(data: bytes, layout: _Layout, at: int) -> int:
    if at + struct.calcsize(layout.number) > len(data):
        return 0
    return int(struct.unpack_from(layout.order + layout.number, data, at)[0])


def _change_chain(
    data: bytearray, layout: _Layout, directories: list[_Directory], directory: _Directory, rng: Random
) -> None:
    """Change the number of entries, or where the next directory is."""
    target = rng.choice((rng.choice(directories).at, interesting(rng, len(data))))
    if rng.random() < 1 / 3:
        _put(data, layout.order + layout.count, directory.at, interesting(rng, len(directory.entries)))
    else:
        _put(data, layout.order + layout.number, rng.choice((directory.next_at, layout.first_at)), target)


def _change_entry(data: bytearray, layout: _Layout, directory: _Directory, rng: Random) -> None:
    """Change tag, type, count or value of an entry, or put another entry in its place."""
    at, other = rng.choice(directory.entries), rng.choice(directory.entries)
    width = struct.calcsize(layout.number)
    count_at, value_at = at + 4, at + 4 + width
    what = rng.randrange(6)
    if what == 0:
        _put(data, layout.order + "H", at, rng.choice(_TAGS))
    elif what == 1:
        _put(data, layout.order + "H", at + 2, rng.randrange(20))
    elif what == 2:
        _put(data, layout.order + layout.number, count_at, interesting(rng, len(data)))
    elif what == 3:
        # A number of two bytes lies at the front of its field; wider ones fill it.
        code = rng.choice(("H", layout.number))
        _put(data, layout.order + code, value_at, interesting(rng, len(data)))
    elif what == 4:
        data[at : at + layout.entry_bytes] = data[other : other + layout.entry_bytes]
    else:
        data[value_at : value_at + width] = data[other + 4 + width : other + 4 + 2 * width]


def _put(data: bytearray, code: str, at: int, number: int) -> None:
    width = struct.calcsize(code)
    if at + width <= len(data):
        struct.pack_into(code, data, at, number % (1 << 8 * width))
