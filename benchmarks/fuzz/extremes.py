"""Small inputs that ask for much: the worst that is known for each parser, at the limits of a service.

Random changes rarely find these, since each is built. Every one of them once took seconds to minutes, or
gigabytes; what they cost now is measured, and a test keeps them refused.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from benchmarks.fuzz.seeds import jpeg_seeds, manifest_seeds, pillow, png_seeds, tiff, tiff_seeds
from benchmarks.fuzz.target import ACCEPTED, Target
from benchmarks.fuzz.targets import code_of
from services.datasets.errors import Findings
from services.datasets.layouts import labels_of_manifest
from services.errors import KaryobridgeError
from services.images.formats import inspect_source

Entry = tuple[int, int, int, int]
_LONG, _SHORT = 4, 3


def tiff_of(directories: Sequence[Sequence[Entry]], content: bytes) -> bytes:
    """Return a classic TIFF; entries are (tag, type, count, value), and `content` starts at byte 8."""
    out = bytearray(b"II*\0" + struct.pack("<I", 8 + len(content)) + content)
    for number, entries in enumerate(directories):
        after = len(out) + 2 + 12 * len(entries) + 4
        out += struct.pack("<H", len(entries))
        for entry in sorted(entries):
            out += struct.pack("<HHII", *entry)
        out += struct.pack("<I", after if number < len(directories) - 1 else 0)
    return bytes(out)


def grey(width: int, height: int, compression: int = 1) -> list[Entry]:
    """Entries of an 8-bit grey picture, without its pixels."""
    return [
        (256, _LONG, 1, width),
        (257, _LONG, 1, height),
        (258, _SHORT, 1, 8),
        (259, _SHORT, 1, compression),
        (262, _SHORT, 1, 1),
        (277, _SHORT, 1, 1),
    ]


def shared_entries(directories: int = 64, numbers: int = 1 << 20) -> bytes:
    """Directories that all point to the same million strip offsets."""
    strips = [(273, _LONG, numbers, 8), (279, _LONG, numbers, 8)]
    return tiff_of([[*grey(10, 10), *strips]] * directories, struct.pack("<I", 8) * numbers)


def wide_tiles(tiles: int = 100, side: int = 8192) -> bytes:
    """A picture that is one pixel wide, of tiles that are thousands wide."""
    packed = zlib.compress(bytes(side * side), 9)
    offsets, counts = struct.pack("<I", 8) * tiles, struct.pack("<I", len(packed)) * tiles
    at = 8 + len(packed)
    tiled = [
        (322, _LONG, 1, side),
        (323, _LONG, 1, side),
        (324, _LONG, tiles, at),
        (325, _LONG, tiles, at + len(offsets)),
    ]
    return tiff_of([[*grey(1, side * tiles, 8), *tiled]], packed + offsets + counts)


def shared_strips(strips: int = 2000, size_bytes: int = 20_000_000) -> bytes:
    """Strips of one row, each of which claims the whole file."""
    content = zlib.compress(bytes(100), 9) + bytes(size_bytes)
    at = 8 + len(content)
    offsets, counts = struct.pack("<I", 8) * strips, struct.pack("<I", len(content)) * strips
    rows = [(278, _LONG, 1, 1), (273, _LONG, strips, at), (279, _LONG, strips, at + len(offsets))]
    return tiff_of([[*grey(100, strips, 8), *rows]], content + offsets + counts)


def many_planes(planes: int = 32, side: int = 4000) -> bytes:
    """As many large planes as are read, which differ in their last pixel only."""
    pixels = np.zeros((planes, side, side), np.uint16)
    pixels[:, -1, -1] = np.arange(1, planes + 1)
    return tiff(pixels, photometric="minisblack", compression="zlib")


def described(text: str) -> bytes:
    """A picture with a description."""
    return tiff(np.zeros((3, 10, 10), np.uint8), photometric="minisblack", description=text)


def crossed_channels(count: int = 20_000) -> bytes:
    """OME-XML in which each of many entries names each of many channels."""
    planes = '<TiffData IFD="0" PlaneCount="999999"/>' * count
    return described(f"<OME><Pixels>{'<Channel/>' * count}{planes}</Pixels></OME>")


def many_elements(count: int = 3_900_000) -> bytes:
    """OME-XML of millions of elements."""
    return described(f"<OME><Pixels>{'<a/>' * count}</Pixels></OME>")


def many_spaces(count: int = 19_000) -> bytes:
    """A value in ImageJ's description that is nearly all spaces."""
    return described("ImageJ=1\na=" + " " * count + "x\n")


def many_chunks(count: int = 1_000_000) -> bytes:
    """A PNG with a million empty chunks behind its header."""
    sound = png_seeds()[0]
    chunk = struct.pack(">I", 0) + b"aaAa" + struct.pack(">I", zlib.crc32(b"aaAa"))
    return sound[:33] + chunk * count + sound[33:]


def fill_bytes(count: int = 10_000_000) -> bytes:
    """A JPEG with millions of fill bytes before its first segment."""
    sound = jpeg_seeds()[1]
    return sound[:2] + b"\xff" * count + sound[2:]


def many_segments(count: int = 1_000_000) -> bytes:
    """A JPEG with a million empty segments."""
    sound = jpeg_seeds()[1]
    return sound[:2] + b"\xff\xe5\x00\x02" * count + sound[2:]


def many_scans(count: int = 200, side: int = 8000) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    sound = pillow(np.zeros((side, side), np.uint8), "JPEG", progressive=True)
    scan = sound[sound.rfind(b"\xff\xda") : -2]
    return sound[:-2] + scan * count + sound[-2:]


def many_rows(count: int = 5_000_000) -> bytes:
    """A manifest.csv of millions of empty rows."""
    return b"file,class,group\n" + b",\n" * count


def many_columns(count: int = 5_000_000) -> bytes:
    """A manifest.csv of millions of columns."""
    return b"a," * count + b"\n"


def _picture(name: str) -> Callable[[bytes], Sequence[str]]:
    def run(data: bytes) -> Sequence[str]:
        try:
            inspect_source(io.BytesIO(data), name)
        except KaryobridgeError as error:
            return [code_of(error)]
        return [ACCEPTED]

    return run


def _manifest(data: bytes) -> Sequence[str]:
    findings = Findings()
    labels_of_manifest("manifest.csv", data, ["a.png"], findings)
    return ["dataset_invalid" if findings else ACCEPTED]


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "tiff": Target(tiff_seeds, _picture("a.tif")),
        "png": Target(png_seeds, _picture("a.png")),
        "jpeg": Target(jpeg_seeds, _picture("a.jpg")),
        "manifest": Target(manifest_seeds, _manifest),
    }
)
EXTREMES: Mapping[str, tuple[Callable[..., bytes], ...]] = MappingProxyType(
    {
        "tiff": (
            *(shared_entries, wide_tiles, shared_strips, many_planes),
            *(crossed_channels, many_elements, many_spaces),
        ),
        "png": (many_chunks,),
        "jpeg": (fill_bytes, many_segments, many_scans),
        "manifest": (many_rows, many_columns),
    }
)
