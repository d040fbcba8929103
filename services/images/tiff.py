"""TIFF, OME-TIFF and ImageJ TIFF into planes, through tifffile.

Pages are read one by one. tifffile's `series` is not used: for OME files it would open other files by
the names found inside the upload.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np
import tifffile

from services.images.errors import (
    DAMAGED_BYTES_ERRORS,
    AmbiguousChannelsError,
    CorruptFileError,
    PlanesDifferError,
    TooManyPixelsError,
    TooManyPlanesError,
    TruncatedFileError,
    UnsupportedCompressionError,
    UnsupportedFormatError,
    UnsupportedPixelTypeError,
    ZStackError,
)
from services.images.microscope_metadata import Metadata, plausible_um, read_imagej, read_ome, to_um
from services.images.picture import Picture, make_picture
from services.images.tiff_structure import walk_directories

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from services.images.limits import Limits

_T = TypeVar("_T")

# Lossless schemes whose decoders stop at the size of the segment. JPEG inside TIFF is left out on
# purpose: its inner header may claim other dimensions than the page, and it is lossy.
_COMPRESSIONS = {1: "none", 5: "LZW", 8: "Deflate", 32946: "Deflate", 32773: "PackBits", 50000: "Zstandard"}
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE = 0, 1, 2, 3
_PICTURE_TYPES = frozenset({"uint8", "uint16"})
_LABEL_TYPES = _PICTURE_TYPES | {"uint32", "int8", "int16", "int32"}
_RESOLUTION_UNITS = {2: "inch", 3: "cm"}
_MAX_SEGMENTS = 200_000
_MAX_TILED_RATIO = 2
# Everything that tifffile and its codecs were seen to raise on damaged bytes.
_LIBRARY_ERRORS = (tifffile.TiffFileError, *DAMAGED_BYTES_ERRORS)


def read_tiff(stream: BinaryIO, size_bytes: int, limits: Limits) -> Picture:
    """Decode every full-resolution plane of a TIFF picture.

    Parameters
    ----------
    stream
        Seekable, positioned anywhere.
    size_bytes
        Length of the stream.
    limits
        Bounds, checked from the headers before any pixel is decoded.

    Raises
    ------
    UploadRejectedError
        One of its subclasses, whatever is wrong with the bytes.
    """
    return _read(stream, size_bytes, limits, _picture)


def read_label_tiff(stream: BinaryIO, size_bytes: int, limits: Limits) -> list[NDArray[np.generic]]:
    """Decode every page of a TIFF of labels: grey, integers of up to 32 bits.

    Parameters and errors are those of `read_tiff`.

    Returns
    -------
    list of (H, W)
        uint8, uint16, uint32, int8, int16 or int32; pages may differ.
    """

    def labels(tiff: tifffile.TiffFile) -> list[NDArray[np.generic]]:
        pages = _checked_pages(tiff, size_bytes, limits, _LABEL_TYPES)
        if any(page.photometric == _RGB for page in pages):
            raise UnsupportedPixelTypeError("The masks are a colour picture. Export a grey label image.")
        return [_decoded(page) for page in pages]

    return _read(stream, size_bytes, limits, lambda tiff, _size, _limits: labels(tiff))


def _read(
    stream: BinaryIO, size_bytes: int, limits: Limits, what: Callable[[tifffile.TiffFile, int, Limits], _T]
) -> _T:
    walk_directories(stream, size_bytes, limits)
    stream.seek(0)
    try:
        with tifffile.TiffFile(stream, name="upload", is_ome=False, is_shaped=False) as tiff:
            return what(tiff, size_bytes, limits)
    except _LIBRARY_ERRORS as error:
        raise CorruptFileError("The TIFF contradicts its own directory. Export it again.") from error


def _checked_pages(
    tiff: tifffile.TiffFile, size_bytes: int, limits: Limits, types: frozenset[str]
) -> list[tifffile.TiffPage]:
    """Every full-resolution page, after all that can be told without decoding has been checked."""
    pages = [page for page in map(_full_page, tiff.pages) if not page.is_reduced and not page.is_mask]
    if not pages:
        raise UnsupportedFormatError("The TIFF holds thumbnails only. Export the full-resolution image.")
    if len(pages) > limits.max_planes:
        raise TooManyPlanesError(f"The TIFF has {len(pages)} planes; at most {limits.max_planes} are read.")
    packed_bytes = decoded_bytes = 0
    for page in pages:
        _check_pixel_type(page, types)
        decoded_bytes += _check_size(page, len(pages), limits)
        packed_bytes += _check_segments(page, size_bytes)
    # Strips may share blank bytes, but what is read must stay in proportion to the file and its pixels.
    if packed_bytes > size_bytes + decoded_bytes:
        raise CorruptFileError("The TIFF's strips or tiles lie upon each other. Export the image again.")
    return pages


def _picture(tiff: tifffile.TiffFile, size_bytes: int, limits: Limits) -> Picture:
    pages = _checked_pages(tiff, size_bytes, limits, _PICTURE_TYPES)
    first = pages[0]
    if any(page.shape != first.shape or page.dtype != first.dtype for page in pages):
        raise PlanesDifferError("The TIFF's pages differ in size or depth. Export one image per file.")
    form, metadata = _metadata(first)
    if first.photometric == _RGB:
        if len(pages) > 1:
            raise AmbiguousChannelsError(
                f"The TIFF has {len(pages)} colour pages. Export one colour picture, or grey planes."
            )
        planes = _colour_planes(first)
        metadata = Metadata({}, metadata.pixel_size_um)
    else:
        planes = _grey_planes(pages)
    names = tuple(metadata.names.get(index) for index in range(len(planes)))
    return make_picture(
        planes, form, colour=first.photometric == _RGB, names=names, pixel_size_um=metadata.pixel_size_um
    )


def _full_page(page: tifffile.TiffPage | tifffile.TiffFrame) -> tifffile.TiffPage:
    full: tifffile.TiffPage = page.aspage()
    return full


def _check_pixel_type(page: tifffile.TiffPage, types: frozenset[str]) -> None:
    if int(page.compression) not in _COMPRESSIONS:
        raise UnsupportedCompressionError(
            f"TIFF compression {_label(page.compression)} is not read. Export uncompressed, LZW or Deflate."
        )
    if int(page.photometric) == _PALETTE:
        raise UnsupportedPixelTypeError("The TIFF has a colour palette. Convert it to grey or RGB first.")
    if int(page.photometric) not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB):
        raise UnsupportedPixelTypeError(
            f"The TIFF's colours are {_label(page.photometric)}. Convert it to grey or RGB first."
        )
    # Packed depths such as 12 bits have a type in memory too: compare the bits that are stored.
    kind = str(page.dtype)
    if kind not in types or page.bitspersample != int(kind.lstrip("uint")):
        raise UnsupportedPixelTypeError(
            f"The TIFF has {page.bitspersample}-bit pixels of kind {kind}. "
            "Convert it to unsigned 8 or 16 bit."
        )
    wanted = (3, 4) if page.photometric == _RGB else (1, 2)
    if page.samplesperpixel not in wanted:
        raise UnsupportedPixelTypeError(
            f"The TIFF packs {page.samplesperpixel} samples into a pixel. Export grey planes or RGB."
        )
    if page.imagedepth != 1:
        raise ZStackError("The TIFF is a volume. Export one focal plane and upload that.")


def _check_size(page: tifffile.TiffPage, pages: int, limits: Limits) -> int:
    """Return how many bytes the page's pixels take when decoded."""
    height, width = page.imagelength, page.imagewidth
    if height < 1 or width < 1:
        raise CorruptFileError("The TIFF has no rows or no columns. Export the image again.")
    pixel_bytes = page.samplesperpixel * (page.bitspersample // 8)
    decoded_bytes = height * width * pixel_bytes
    tile = max(page.tilewidth, 1) * max(page.tilelength, 1)
    if max(height * width, tile) > limits.max_pixels or decoded_bytes * pages > limits.max_decoded_bytes:
        raise TooManyPixelsError(
            f"The image is {width} x {height} pixels; at most {limits.max_pixels} are read. "
            "Upload one metaphase per image, not a whole slide."
        )
    # Tiles stick out of an image, and all of each is decoded: a narrow image of wide tiles has few pixels.
    tiled = math.ceil(height / max(page.tilelength, 1)) * math.ceil(width / max(page.tilewidth, 1)) * tile
    if tiled * pixel_bytes * pages > _MAX_TILED_RATIO * limits.max_decoded_bytes:
        raise CorruptFileError("The TIFF's tiles are far larger than its image. Export it with small tiles.")
    limits.spend(max(tiled * pixel_bytes, decoded_bytes))
    return decoded_bytes


def _check_segments(page: tifffile.TiffPage, size_bytes: int) -> int:
    """Refuse pages whose strips or tiles are missing: tifffile would fill them with zeros in silence.

    Returns how many bytes of the file they are made of.
    """
    offsets, counts = page.dataoffsets, page.databytecounts
    if len(offsets) > _MAX_SEGMENTS:
        raise CorruptFileError("The TIFF is cut into too many pieces. Export it with larger strips or tiles.")
    # tifffile merges uncompressed neighbours into one piece; that one then holds every byte.
    complete = len(offsets) == 1 and counts and counts[0] == page.nbytes
    if len(offsets) != len(counts) or (not complete and len(offsets) < _segments_needed(page)):
        raise TruncatedFileError("The TIFF lacks the positions of its pixels. Export the image again.")
    for offset, count in zip(offsets, counts, strict=True):
        if count < 1 or offset < 1 or offset + count > size_bytes:
            raise TruncatedFileError("The TIFF ends before its pixels do. Copy or export the file again.")
    return int(sum(counts))


def _segments_needed(page: tifffile.TiffPage) -> int:
    if page.is_tiled:
        if page.tilewidth < 1 or page.tilelength < 1:
            raise CorruptFileError("The TIFF has tiles without a size. Export the image again.")
        pieces = math.ceil(page.imagewidth / page.tilewidth) * math.ceil(page.imagelength / page.tilelength)
    else:
        rows = min(max(page.rowsperstrip, 1), page.imagelength)
        pieces = math.ceil(page.imagelength / rows)
    separate = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
    return int(pieces * (page.samplesperpixel if separate else 1))


def _colour_planes(page: tifffile.TiffPage) -> NDArray[np.generic]:
    """Red, green and blue of one colour page; alpha and other extra samples are dropped."""
    array = _decoded(page)
    samples_first = (
        array if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE else np.moveaxis(array, -1, 0)
    )
    return np.ascontiguousarray(samples_first[:3])


def _grey_planes(pages: list[tifffile.TiffPage]) -> NDArray[np.generic]:
    """All pages of a grey picture, one decoded at a time so that no pixel is held twice."""
    first = _grey_plane(pages[0])
    planes = np.empty((len(pages), *first.shape), first.dtype)
    for index, page in enumerate(pages):
        planes[index] = _grey_plane(page) if index else first
    return planes


def _grey_plane(page: tifffile.TiffPage) -> NDArray[np.generic]:
    array = _decoded(page)
    if page.samplesperpixel > 1:
        array = array[0] if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE else array[..., 0]
    if page.photometric == _MIN_IS_WHITE:
        # Such files store ink, not light: without the inversion chromosomes would be dark on bright.
        array = np.invert(array)
    return array


def _decoded(page: tifffile.TiffPage) -> NDArray[np.generic]:
    # One thread per file: the caller decides how many files are decoded at once.
    array: NDArray[np.generic] = page.asarray(maxworkers=1)
    if array.shape != page.shape:
        raise CorruptFileError("The TIFF's pixels do not fill its size. Export the image again.")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _metadata(page: tifffile.TiffPage) -> tuple[Any, Metadata]:
    description = str(page.description or "")
    if "<OME" in description[:4096] and description.rstrip().endswith("OME>"):
        return "ome-tiff", read_ome(description)
    if description.startswith("ImageJ="):
        labels = _imagej_labels(page)
        return "imagej-tiff", read_imagej(description, labels, _pixels_per_unit(page))
    return "tiff", Metadata({}, _resolution_um(page))


def _imagej_labels(page: tifffile.TiffPage) -> list[str] | None:
    tag = page.tags.get("IJMetadata")
    labels = tag.value.get("Labels") if tag is not None and isinstance(tag.value, dict) else None
    if isinstance(labels, str):
        return [labels]
    return [str(label) for label in labels] if isinstance(labels, (list, tuple)) else None


def _pixels_per_unit(page: tifffile.TiffPage) -> float | None:
    tag = page.tags.get("XResolution")
    match tag.value if tag is not None else None:
        case (int(numerator), int(denominator)) if numerator and denominator:
            return numerator / denominator
    return None


def _resolution_um(page: tifffile.TiffPage) -> float | None:
    resolution = _pixels_per_unit(page)
    unit = page.tags.get("ResolutionUnit")
    name = _RESOLUTION_UNITS.get(int(unit.value)) if unit is not None and unit.value is not None else None
    return None if resolution is None or name is None else plausible_um(to_um(1.0 / resolution, name))


def _label(value: Any) -> str:
    return str(getattr(value, "name", value))
