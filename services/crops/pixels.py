"""From a crop's row to its pixels."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.segmentation.crops import CropPack
from services.crops.types import Crop
from services.storage.base import ObjectStore

CACHED_PACKS = 16  # a pack of fifty small crops takes one to three megabytes


@dataclass(frozen=True)
class CropPixels:
    """A crop cut to its own bounding box and a margin.

    Attributes
    ----------
    pixels : (C, h, w) uint8 or uint16
        Registered channels in the image's order.
    mask : (h, w) bool
        Which pixels belong to the chromosome.
    """

    pixels: NDArray[np.integer[Any]]
    mask: NDArray[np.bool_]


class CropReader:
    """Reads crops out of their packs; safe to use from several threads.

    Whoever looks at one crop of an image soon looks at the others, so the last packs stay in memory.
    They can never be stale, because a key is made of the pack's content.
    """

    def __init__(self, store: ObjectStore, cached_packs: int = CACHED_PACKS) -> None:
        self._store = store
        self._size = cached_packs
        self._packs: OrderedDict[str, CropPack] = OrderedDict()
        self._lock = Lock()

    def read(self, crop: Crop, margin_px: int = 4) -> CropPixels:
        """Cut a crop out; the canvas that fits the largest neighbour is trimmed away.

        Raises
        ------
        ObjectNotFoundError
            The pack is gone from the store.
        CropPackError
            The pack is damaged.
        """
        pack = self._pack(crop.pack_key)
        y0, x0, _, _ = (int(edge) for edge in pack.windows[crop.pack_index])
        rows = _trimmed(crop.bbox[0] - y0, crop.bbox[2] - y0, margin_px, pack.masks.shape[1])
        cols = _trimmed(crop.bbox[1] - x0, crop.bbox[3] - x0, margin_px, pack.masks.shape[2])
        return CropPixels(
            pack.pixels[crop.pack_index, :, rows, cols], pack.masks[crop.pack_index, rows, cols]
        )

    def _pack(self, key: str) -> CropPack:
        with self._lock:
            if key in self._packs:
                self._packs.move_to_end(key)
                return self._packs[key]
        pack = CropPack.from_npz(self._store.get(key))
        with self._lock:
            self._packs[key] = pack
            while len(self._packs) > self._size:
                self._packs.popitem(last=False)
        return pack


def _trimmed(start: int, stop: int, margin_px: int, limit: int) -> slice:
    return slice(max(start - margin_px, 0), min(stop + margin_px, limit))
