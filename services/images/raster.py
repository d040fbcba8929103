"""PNG and JPEG into planes, through Pillow.

EXIF orientation is left alone on purpose: masks, crops and registration live in stored pixel
coordinates, as ImageJ and other analysis tools read them, and a tag on one channel's file must not turn
it against the others.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np
from PIL import Image

from services.images.errors import (
    DAMAGED_BYTES_ERRORS,
    CorruptFileError,
    TimeSeriesError,
    TooManyPixelsError,
    TruncatedFileError,
    UnsupportedPixelTypeError,
)
from services.images.picture import Picture, make_picture
from services.images.raster_structure import check_jpeg_scans, check_jpeg_segments, check_png_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from services.images.limits import Limits

_PNG_HEADER_BYTES = 33
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_BYTES_PER_PNG_PIXEL = 8
_BYTE_BITS = 8
# Everything that Pillow's two plugins were seen to raise on damaged bytes.
_LIBRARY_ERRORS = (SyntaxError, *DAMAGED_BYTES_ERRORS)
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def read_raster(stream: BinaryIO, form: Literal["png", "jpeg"], limits: Limits) -> Picture:
    """Decode a PNG or JPEG.

    Parameters
    ----------
    stream
        Seekable, positioned anywhere.
    form
        What the first bytes say it is; no other decoder is tried.
    limits
        Bounds, checked from the header before any pixel is decoded.

    Raises
    ------
    UploadRejectedError
        One of its subclasses, whatever is wrong with the bytes.
    """
    if form == "png":
        _check_png_header(stream, limits)
        check_png_chunks(stream)
    else:
        check_jpeg_segments(stream)
    stream.seek(0)
    try:
        with Image.open(stream, formats=(form.upper(),)) as image:
            if image.width * image.height > limits.max_pixels:
                raise _too_many(image.width, image.height, limits)
            if getattr(image, "is_animated", False) and image.format == "PNG":
                raise TimeSeriesError("The PNG is animated. Export a single picture.")
            if form == "jpeg":
                check_jpeg_scans(stream, image.width * image.height, limits)
            pixel_bytes = len(image.getbands()) * (2 if image.mode.startswith("I") else 1)
            limits.spend(image.width * image.height * pixel_bytes)
            planes = _planes(image)
    except _BOMBS as error:
        raise TooManyPixelsError(
            f"The image has more than the {limits.max_pixels} pixels that are read. "
            "Upload one metaphase per image, not a whole slide."
        ) from error
    except _LIBRARY_ERRORS as error:
        if "truncated" in str(error).lower():
            raise TruncatedFileError(
                f"The {form.upper()} ends before its pixels do. Copy or export the file again."
            ) from error
        raise CorruptFileError(f"The {form.upper()} is damaged. Copy or export the file again.") from error
    return make_picture(planes, form, colour=len(planes) > 1)


def _check_png_header(stream: BinaryIO, limits: Limits) -> None:
    """Read width, height and pixel type before Pillow does: it would turn 16-bit colour into 8 bit."""
    stream.seek(0)
    header = stream.read(_PNG_HEADER_BYTES)
    if len(header) < _PNG_HEADER_BYTES:
        raise TruncatedFileError("The PNG ends within its header. Copy or export the file again.")
    if header[12:16] != b"IHDR":
        raise CorruptFileError("The PNG does not start with its header. Copy or export the file again.")
    width, height, depth, kind = struct.unpack(">IIBB", header[16:26])
    if width * height > limits.max_pixels or width * height * _BYTES_PER_PNG_PIXEL > limits.max_decoded_bytes:
        raise _too_many(width, height, limits)
    if kind == _PALETTE:
        raise UnsupportedPixelTypeError("The PNG is a colour-palette image. Convert it to grey or RGB first.")
    if depth < _BYTE_BITS:
        raise UnsupportedPixelTypeError(f"The PNG has {depth}-bit pixels. Export 8- or 16-bit grey.")
    if depth > _BYTE_BITS and kind != _GREY:
        raise UnsupportedPixelTypeError(
            "The PNG has 16-bit colour, which would lose depth here. "
            "Export TIFF, or one 16-bit grey PNG per channel."
        )


def _planes(image: Image.Image) -> NDArray[np.generic]:
    """(P, H, W) of a picture in one of the modes that hold grey or RGB without conversion."""
    if image.mode in ("L", "I;16", "I;16B", "I;16L", "I"):
        array = np.asarray(image)
        if image.mode == "I":
            # Older Pillow decodes 16-bit grey into 32-bit integers; the header has vouched for the range.
            array = array.astype(np.uint16)
        return array.astype(array.dtype.newbyteorder("="), copy=False)[np.newaxis]
    if image.mode in ("LA", "RGB", "RGBA"):
        array = np.moveaxis(np.asarray(image), -1, 0)
        return np.ascontiguousarray(array[:1] if image.mode == "LA" else array[:3])
    raise UnsupportedPixelTypeError(
        f"The picture's colours are {image.mode}. Convert it to 8- or 16-bit grey, or to RGB."
    )


def _too_many(width: int, height: int, limits: Limits) -> TooManyPixelsError:
    return TooManyPixelsError(
        f"The image is {width} x {height} pixels; at most {limits.max_pixels} are read. "
        "Upload one metaphase per image, not a whole slide."
    )
