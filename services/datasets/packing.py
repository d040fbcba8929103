"""Pictures into packs: a few large objects, written while the next pictures are still being read."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from models.segmentation.crops import CropPack
from services.datasets.types import IMPORTED_CHANNELS, PackedCrop
from services.images.crop_files import CropPicture
from services.storage.base import ObjectStore
from services.storage.keys import content_key, sha256_hex

CROPS_PER_PACK = 512
# Of the unpacked arrays: large pictures come in smaller packs, so that memory stays flat.
PACK_BYTES = 32 * 1024**2
_BYTES_PER_PIXEL = len(IMPORTED_CHANNELS) + 1  # and the mask


class CropPacker:
    """Gathers pictures on one canvas size until a pack is full, and stores it."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._names: list[str] = []
        self._pictures: list[CropPicture] = []
        self._side_px = (0, 0)
        self._done: list[PackedCrop] = []

    def add(self, name: str, picture: CropPicture) -> None:
        """Take one more picture."""
        height, width = picture.mask.shape
        side_px = (max(self._side_px[0], height), max(self._side_px[1], width))
        count = len(self._names) + 1
        if count > CROPS_PER_PACK or count * side_px[0] * side_px[1] * _BYTES_PER_PIXEL > PACK_BYTES:
            self._flush()
            side_px = (height, width)
        self._side_px = side_px
        self._names.append(name)
        self._pictures.append(picture)

    def finish(self) -> list[PackedCrop]:
        """Store what is left; returns every crop in the order in which it came."""
        self._flush()
        return self._done

    def _flush(self) -> None:
        if not self._names:
            return
        content = _pack(self._pictures, self._side_px).to_npz()
        key = content_key("crops", sha256_hex(content), ".npz")
        if not self._store.exists(key):
            self._store.put(key, content)
        for index, (name, picture) in enumerate(zip(self._names, self._pictures, strict=True)):
            self._done.append(_packed(name, picture, key, index))
        self._names, self._pictures, self._side_px = [], [], (0, 0)


def pixel_sha256(pixels: NDArray[np.generic], mask: NDArray[np.bool_]) -> str:
    """Hash of a crop's own pixels and mask, whatever canvas it lies on.

    Parameters
    ----------
    pixels : (C, h, w) uint8 or uint16
    mask : (h, w) bool
    """
    digest = hashlib.sha256(f"{pixels.dtype.name} {pixels.shape}\n".encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    digest.update(np.ascontiguousarray(mask).tobytes())
    return digest.hexdigest()


def _pack(pictures: list[CropPicture], side_px: tuple[int, int]) -> CropPack:
    count = len(pictures)
    pixels = np.zeros((count, len(IMPORTED_CHANNELS), *side_px), np.uint8)
    masks = np.zeros((count, *side_px), np.bool_)
    for index, picture in enumerate(pictures):
        height, width = picture.mask.shape
        pixels[index, :, :height, :width] = picture.pixels
        masks[index, :height, :width] = picture.mask
    windows = np.tile(np.array([0, 0, *side_px], np.int32), (count, 1))
    return CropPack(pixels, masks, np.arange(1, count + 1, dtype=np.int32), windows)


def _packed(name: str, picture: CropPicture, key: str, index: int) -> PackedCrop:
    height, width = picture.mask.shape
    sha256 = pixel_sha256(picture.pixels, picture.mask)
    dapi = picture.pixels[IMPORTED_CHANNELS.index("dapi")]
    # A plane without a picture of its own tells nothing: such a crop is a chromosome by itself.
    telling = dapi.min() != dapi.max()
    dapi_key = sha256_hex(f"{dapi.shape}".encode() + dapi.tobytes()) if telling else sha256
    return PackedCrop(
        name=name,
        pack_key=key,
        pack_index=index,
        height=height,
        width=width,
        area_px=int(np.count_nonzero(picture.mask)),
        sha256=sha256,
        dapi_key=dapi_key,
        grey=picture.grey,
    )
