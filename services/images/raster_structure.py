"""The skeletons of PNG and JPEG, walked before Pillow is let near them.

Pillow goes through chunks, segments and scans one by one, however many there are: a few megabytes of empty
ones keep it busy for minutes. Real files have some hundreds, so they are counted here first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from services.images.errors import CorruptFileError

if TYPE_CHECKING:
    from services.images.limits import Limits

# Writers cut the pixels of a PNG into chunks of 8 KiB and more: enough for the largest file that is taken.
_MAX_CHUNKS = 100_000
_PNG_SIGNATURE_BYTES, _PNG_AROUND_CHUNK_BYTES = 8, 12
_MAX_SEGMENTS = 20_000
# A progressive JPEG has about ten scans, and each may touch every pixel.
_USUAL_SCANS, _MAX_SCANS = 16, 1_000
_MARK, _START_OF_SCAN = 0xFF, 0xDA
# Markers that stand alone; all others are followed by their length.
_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})
_PIECE_BYTES = 1024 * 1024


def check_png_chunks(stream: BinaryIO) -> None:
    """Refuse a PNG of very many chunks; one that is cut short is left to the decoder.

    Raises
    ------
    CorruptFileError
        There are more chunks than a picture of the largest size has.
    """
    at = _PNG_SIGNATURE_BYTES
    for _ in range(_MAX_CHUNKS):
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8 or head[4:] == b"IEND":  # noqa: PLR2004 - length and name
            return
        at += _PNG_AROUND_CHUNK_BYTES + int.from_bytes(head[:4], "big")
    raise CorruptFileError(f"The PNG has more than {_MAX_CHUNKS} chunks. Export the image again.")


def check_jpeg_segments(stream: BinaryIO) -> None:
    """Refuse a JPEG with very many segments, or bytes between them, before its first scan.

    Raises
    ------
    CorruptFileError
        There are more than any picture has.
    """
    stream.seek(0)
    for _ in range(_MAX_SEGMENTS):
        byte = stream.read(1)
        if byte and byte[0] != _MARK:
            continue  # junk, which decoders pass over
        kind = stream.read(1)
        if not kind or kind[0] == _START_OF_SCAN:
            return
        if kind[0] == _MARK:
            stream.seek(-1, 1)  # a fill byte; the marker may still come
        elif kind[0] not in _ALONE:
            length = int.from_bytes(stream.read(2), "big")
            stream.seek(max(length - 2, 0), 1)
    raise CorruptFileError("The JPEG has far too many segments. Export the image again.")


def check_jpeg_scans(stream: BinaryIO, pixels: int, limits: Limits) -> None:
    """Refuse a JPEG whose scans would be painted over each other for minutes.

    Parameters
    ----------
    pixels
        Height times width.

    Raises
    ------
    CorruptFileError
        There are more scans than a picture of this size needs.
    """
    mark = bytes((_MARK, _START_OF_SCAN))
    scans, carried = 0, b""
    stream.seek(0)
    while piece := stream.read(_PIECE_BYTES):
        piece = carried + piece
        scans += piece.count(mark)
        carried = piece[-1:] if piece[-1] == _MARK else b""
    if scans > _MAX_SCANS or (scans > _USUAL_SCANS and scans * pixels > _USUAL_SCANS * limits.max_pixels):
        raise CorruptFileError(f"The JPEG has {scans} scans. Export it again, not as progressive.")
