"""From a crop's row to its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.segmentation.crops import CropPack
from services.crops.types import Crop
from services.storage.base import ObjectStore


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


def load_crop(store: ObjectStore, crop: Crop, margin_px: int = 4) -> CropPixels:
    """Read a crop out of its pack; the canvas that fits the largest neighbour is trimmed away."""
    pack = CropPack.from_npz(store.get(crop.pack_key))
    y0, x0, _, _ = (int(edge) for edge in pack.windows[crop.pack_index])
    rows = _trimmed(crop.bbox[0] - y0, crop.bbox[2] - y0, margin_px, pack.masks.shape[1])
    cols = _trimmed(crop.bbox[1] - x0, crop.bbox[3] - x0, margin_px, pack.masks.shape[2])
    return CropPixels(pack.pixels[crop.pack_index, :, rows, cols], pack.masks[crop.pack_index, rows, cols])


def _trimmed(start: int, stop: int, margin_px: int, limit: int) -> slice:
    return slice(max(start - margin_px, 0), min(stop + margin_px, limit))
