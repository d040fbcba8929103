"""Pictures of single chromosomes as people keep them: read into pixels and a mask, and written again.

Red, green and blue are the red, green and DAPI channels; an alpha channel is the mask. What is written
here is read back as the same pixels and the same mask.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import tifffile
from PIL import Image

from services.images.errors import PlanesDifferError, TooManyPixelsError, UploadRejectedError, shown
from services.images.formats import read_picture
from services.images.limits import Limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from services.images.picture import Picture

MAX_SIDE_PX = 1024
LIMITS = Limits(max_file_bytes=32 * 1024**2, max_pixels=4096**2, max_planes=4)

_COLOURS = 3
_PNG_KIND_AT, _PNG_ALPHA = 25, (4, 6)
_TIFF_ALPHA = (2, 4)  # samples of grey and of colour with alpha
_JPEG_BLACK = 16  # its compression lights black up a little
_DEEP_TO_8_BIT = 257


class BlackPictureError(UploadRejectedError):
    """There is no chromosome in the picture: it is black, or its alpha hides all of it."""

    code = "black_picture"
    title = "The picture is empty"


@dataclass(frozen=True)
class CropPicture:
    """One chromosome.

    Attributes
    ----------
    pixels : (3, h, w) uint8
        Red, green, DAPI.
    mask : (h, w) bool
        Which pixels belong to it; at least one does.
    grey
        Whether the file had no colours: then it is DAPI alone, and red and green are 0.
    """

    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    grey: bool


def read_crop_picture(stream: BinaryIO, name: str, limits: Limits = LIMITS) -> CropPicture:
    """Decode a picture of one chromosome.

    16-bit pixels are divided by 257, so that white stays white. The mask is the alpha channel where
    there is one that hides anything (half transparent and more is outside). Without it, the mask is every
    pixel that is not black if at least half of the picture's border is black, and else the whole picture.

    Parameters
    ----------
    stream
        Seekable, positioned anywhere.
    name
        The client's name: compared with the contents and shown in messages, never opened.
    limits
        Bounds on what is decoded; sides have at most 1024 pixels besides.

    Raises
    ------
    UploadRejectedError
        A subclass whose `code` says why.
    """
    picture = read_picture(stream, name, limits)
    height, width = picture.planes.shape[1:]
    if max(height, width) > MAX_SIDE_PX:
        raise TooManyPixelsError(
            f"{shown(name)} is {width} x {height} pixels; a picture of one chromosome has at most "
            f"{MAX_SIDE_PX} x {MAX_SIDE_PX}. Cut it closer."
        )
    info = picture.info
    if not info.colour and info.planes != 1:
        raise PlanesDifferError(
            f"{shown(name)} has {info.planes} grey planes. Save red, green and DAPI as one colour picture."
        )
    planes = _eight_bit(picture.planes)
    grey = info.planes == 1 or info.identical_planes
    pixels = np.zeros((_COLOURS, height, width), np.uint8)
    if grey:
        pixels[-1] = planes[0]
    else:
        pixels[:] = planes
    mask = _mask(pixels, _alpha(stream, picture), _JPEG_BLACK if info.format == "jpeg" else 0)
    if not mask.any():
        raise BlackPictureError(f"{shown(name)} shows nothing: it is black or wholly transparent.")
    return CropPicture(pixels, mask, grey)


def crop_picture_png(pixels: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> bytes:
    """Write a crop as PNG, pixel by pixel as it is.

    Parameters
    ----------
    pixels : (3, h, w) uint8
        Red, green, DAPI.
    mask : (h, w) bool
        Becomes alpha: 255 inside, 0 outside. Without one the PNG has no alpha.
    """
    planes = list(pixels)
    if mask is not None:
        planes.append(mask.astype(np.uint8) * np.uint8(255))
    buffer = io.BytesIO()
    Image.fromarray(np.stack(planes, axis=-1)).save(buffer, "PNG")
    return buffer.getvalue()


def _eight_bit(planes: NDArray[np.generic]) -> NDArray[np.uint8]:
    if planes.dtype == np.uint8:
        return planes.astype(np.uint8, copy=False)
    deep = planes.astype(np.uint32)
    return ((deep + _DEEP_TO_8_BIT // 2) // _DEEP_TO_8_BIT).astype(np.uint8)


def _mask(pixels: NDArray[np.uint8], alpha: NDArray[np.bool_] | None, black: int) -> NDArray[np.bool_]:
    if alpha is not None and not alpha.all():
        return alpha
    lit: NDArray[np.bool_] = pixels.max(axis=0) > black
    border = np.concatenate([lit[0], lit[-1], lit[1:-1, 0], lit[1:-1, -1]])
    return lit if 2 * np.count_nonzero(border) <= len(border) else np.ones_like(lit)


def _alpha(stream: BinaryIO, picture: Picture) -> NDArray[np.bool_] | None:
    """(h, w) what alpha shows, or None; the file is known to be sound by now."""
    stream.seek(0)
    if picture.info.format == "png":
        if stream.read(_PNG_KIND_AT + 1)[_PNG_KIND_AT] not in _PNG_ALPHA:
            return None
        stream.seek(0)
        with Image.open(stream, formats=("PNG",)) as image:
            alpha: NDArray[Any] = np.asarray(image.getchannel("A"))
    elif picture.info.format == "jpeg":
        return None
    else:
        with tifffile.TiffFile(stream, name="upload", is_ome=False, is_shaped=False) as tiff:
            pages = (page.aspage() for page in tiff.pages)
            page = next(page for page in pages if not page.is_reduced and not page.is_mask)
            if page.samplesperpixel not in _TIFF_ALPHA:
                return None
            samples = page.asarray(maxworkers=1)
        separate = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
        alpha = samples[-1] if separate else samples[..., -1]
    shown_from = (int(np.iinfo(alpha.dtype).max) + 1) // 2
    return np.asarray(alpha >= shown_from)
