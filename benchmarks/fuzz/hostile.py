"""Archives that are built to do harm: bombs, links, paths that lead outside, sizes that lie."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping

_ENTRY = b"PK\x01\x02"
_BOMB_BYTES = 6 * 1024**2


def hostile_archives(pictures: Mapping[str, bytes]) -> Iterator[bytes]:
    """Yield one archive for each way to do harm, with sound pictures beside it."""
    plain = _packed(pictures.items())
    yield _packed([*pictures.items(), ("inner.zip", plain), ("inner.tif", plain)])
    yield _packed([*pictures.items(), ("bomb.tif", bytes(_BOMB_BYTES))])
    yield _packed([(f"{number:03d}.tif", bytes(_BOMB_BYTES // 8)) for number in range(40)])
    yield _packed([("../up.tif", b"x"), ("/etc/root.tif", b"x"), ("C:/disk.tif", b"x"), ("a\\b.tif", b"x")])
    yield _packed([*pictures.items(), *pictures.items()])
    yield _packed([(f"{number}.tif", b"") for number in range(250)])
    yield _packed(pictures.items(), method=zipfile.ZIP_LZMA)
    yield _packed(pictures.items(), zip64=True)
    yield _linked()
    yield _patched(plain, 8, struct.pack("<H", 1))  # a password is needed, it says
    yield _patched(plain, 20, struct.pack("<I", 0xFFFFFF))  # packed size
    yield _patched(plain, 24, struct.pack("<I", 3))  # unpacked size
    yield _patched(plain, 42, struct.pack("<I", 0), entry=1)  # two members are one
    yield b"MZ program before the archive" + plain
    yield plain[:-22] + plain[-22:-2] + struct.pack("<H", 5) + b"notes"


def _packed(
    members: Iterable[tuple[str, bytes]], *, method: int = zipfile.ZIP_DEFLATED, zip64: bool = False
) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that come twice are meant
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in members:
                info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                info.compress_type = method
                with archive.open(info, "w", force_zip64=zip64) as member:
                    member.write(content)
    return buffer.getvalue()


def _linked() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("link.tif", (1980, 1, 1, 0, 0, 0))
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def _patched(archive: bytes, offset: int, value: bytes, entry: int = 0) -> bytes:
    """Change a field of one entry in the directory."""
    at = archive.index(_ENTRY)
    for _ in range(entry):
        at = archive.index(_ENTRY, at + 4)
    return archive[: at + offset] + value + archive[at + offset + len(value) :]
