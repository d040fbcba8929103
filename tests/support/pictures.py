"""Tiny pictures made in memory, in the forms that scanners and microscopes write."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

HEIGHT, WIDTH = 40, 50


def noise(*shape: int, dtype: str = "uint8", seed: int = 0) -> NDArray[Any]:
    """Reproducible random pixels over the dtype's whole range."""
    high = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, high, shape, dtype=dtype, endpoint=True)


def tiff(pixels: NDArray[Any], **options: Any) -> bytes:
    """Bytes of a TIFF, without tifffile's own metadata unless asked for."""
    buffer = io.BytesIO()
    if not (options.get("ome") or options.get("imagej")):
        options.setdefault("metadata", None)
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def ome_tiff(pixels: NDArray[Any], names: list[str], **metadata: Any) -> bytes:
    """Bytes of an OME-TIFF of separate channels with names."""
    return tiff(pixels, ome=True, metadata={"axes": "CYX", "Channel": {"Name": names}, **metadata})


def pillow(pixels: NDArray[Any], form: str, **options: Any) -> bytes:
    """Bytes of a PNG or JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


GREY8 = noise(HEIGHT, WIDTH)
GREY16 = noise(HEIGHT, WIDTH, dtype="uint16")
COLOUR = noise(HEIGHT, WIDTH, 3)
THREE16 = noise(3, HEIGHT, WIDTH, dtype="uint16")

SOUND = {
    "grey 8": ("a.tif", tiff(GREY8)),
    "big endian 16": ("a.tif", tiff(GREY16, byteorder=">")),
    "lzw": ("a.tif", tiff(GREY16, compression="lzw", predictor=True)),
    "deflate strips": ("a.tif", tiff(GREY8, compression="zlib", rowsperstrip=7)),
    "tiles": ("a.tiff", tiff(GREY16, tile=(16, 16), compression="packbits")),
    "rgb": ("a.TIF", tiff(COLOUR, photometric="rgb")),
    "separate rgb": ("a.tif", tiff(np.moveaxis(COLOUR, -1, 0), photometric="rgb", planarconfig="separate")),
    "pages": ("a.tif", tiff(THREE16, photometric="minisblack")),
    "ome": ("a.ome.tif", ome_tiff(THREE16, ["DAPI", "Cy3", "FITC"])),
    "big tiff": ("a.tif", tiff(GREY8, bigtiff=True)),
    "png 16": ("a.png", pillow(GREY16, "PNG")),
    "png rgb": ("a.png", pillow(COLOUR, "PNG")),
    "jpeg": ("a.jpg", pillow(COLOUR, "JPEG")),
}
