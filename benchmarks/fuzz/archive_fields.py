"""Changes of a ZIP: fields of its records, names of members, and members packed anew."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from random import Random

from benchmarks.fuzz.values import interesting

# Of each record: its mark, and where the numbers of which width lie.
_RECORDS: tuple[tuple[bytes, tuple[tuple[int, str], ...]], ...] = (
    (
        b"PK\x03\x04",
        ((4, "H"), (6, "H"), (8, "H"), (10, "I"), (14, "I"), (18, "I"), (22, "I"), (26, "H"), (28, "H")),
    ),
    (
        b"PK\x01\x02",
        (
            *((4, "H"), (6, "H"), (8, "H"), (10, "H"), (12, "I"), (16, "I"), (20, "I"), (24, "I")),
            *((28, "H"), (30, "H"), (32, "H"), (34, "H"), (36, "H"), (38, "I"), (42, "I")),
        ),
    ),
    (b"PK\x05\x06", ((4, "H"), (6, "H"), (8, "H"), (10, "H"), (12, "I"), (16, "I"), (20, "H"))),
    (b"PK\x06\x06", ((4, "Q"), (16, "I"), (20, "I"), (24, "Q"), (32, "Q"), (40, "Q"), (48, "Q"))),
    (b"PK\x06\x07", ((4, "I"), (8, "Q"), (16, "I"))),
)
_NAMES = (
    *(
        "../up.tif",
        "/root.tif",
        "C:/disk.tif",
        "a\\b.tif",
        "a/../../b.tif",
        "",
        "dir/",
        "inner.zip",
        "a" * 300,
    ),
    *(
        "nul\0.tif",
        "\u202etxt.tif",
        "\ud7ff.tif",
        "__MACOSX/._a.tif",
        "Thumbs.db",
        "manifest.csv",
        "manifest.json",
    ),
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_MAX_MEMBERS, _MAX_MEMBER_BYTES = 64, 1024**2


def change_zip(data: bytes, rng: Random) -> bytes:
    """Change a field of a record, or one member of the archive."""
    if rng.random() < 1 / 2:
        members = _members(data)
        if members:
            return _repacked(members, rng)
    return _other_field(data, rng)


def _other_field(data: bytes, rng: Random) -> bytes:
    places = []
    for mark, fields in _RECORDS:
        at = data.find(mark)
        while at >= 0 and len(places) < 1000:
            places += [(at + offset, code) for offset, code in fields]
            at = data.find(mark, at + 4)
    places = [(at, code) for at, code in places if at + struct.calcsize(code) <= len(data)]
    if not places:
        return data
    changed = bytearray(data)
    at, code = rng.choice(places)
    (old,) = struct.unpack_from("<" + code, changed, at)
    bits = 8 * struct.calcsize(code)
    number = rng.choice(
        (interesting(rng, len(data)), old ^ (1 << rng.randrange(bits)), old + 1, max(0, old - 1))
    )
    struct.pack_into("<" + code, changed, at, number % (1 << bits))
    return bytes(changed)


def _members(data: bytes) -> list[tuple[str, bytes]]:
    """Names and contents, as far as the archive can be read at all."""
    found = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist()[:_MAX_MEMBERS]:
                with archive.open(info) as member:
                    found.append((info.filename, member.read(_MAX_MEMBER_BYTES)))
    except Exception:  # noqa: BLE001 - a damaged archive is changed by its fields instead
        return found
    return found


def _repacked(members: list[tuple[str, bytes]], rng: Random) -> bytes:
    from benchmarks.fuzz.mutating import mutate  # noqa: PLC0415 - members are changed like any other input

    index = rng.randrange(len(members))
    name, content = members[index]
    what = rng.randrange(5)
    if what in (0, 1):
        members[index] = (name, mutate(content, [one for _, one in members], rng))
    elif what == 2:
        members[index] = (rng.choice(_NAMES), content)
    elif what == 3:
        members.insert(index, (rng.choice((name, name.upper(), f"x/{name}")), content))
    else:
        members.pop(index)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that come twice are meant
        with zipfile.ZipFile(buffer, "w") as archive:
            for one, data in members:
                info = zipfile.ZipInfo(one or "x", (1980, 1, 1, 0, 0, 0))
                info.external_attr = rng.choice((0, 0, 0, 0o120777 << 16))
                info.compress_type = rng.choice(_METHODS) if rng.random() < 1 / 8 else zipfile.ZIP_DEFLATED
                with archive.open(info, "w", force_zip64=rng.random() < 1 / 8) as member:
                    member.write(data)
    return buffer.getvalue()
