"""From packed crops to the canvases of classifiers and generators. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.classification.preprocessing import (
    CANVAS_CHANNELS,
    Preprocessing,
    mask_on_canvas,
    scale_on_canvas,
    signal_levels,
    to_canvas,
)
from models.segmentation.crops import CropPack
from services.crops.types import PackedCrop


def canvases_of(
    pack: CropPack,
    indices: Sequence[int],
    channels: Sequence[str],
    preprocessing: Preprocessing,
    *,
    rendered: bool,
    canvas_scales: Sequence[float | None] | None = None,
) -> NDArray[np.uint8]:
    """Make the canvases of some crops of a pack.

    Parameters
    ----------
    indices
        Which crops of the pack, in the order of the result.
    channels
        Names of the pack's planes.
    rendered
        True for imported and generated crops, whose pixels are final colours. False for crops that
        were cut out of an image: their grey levels are told from all crops of that image, so a pack
        must be whole, whichever of its crops are asked for.
    canvas_scales
        Of generated crops: pixels of the picture per pixel of the image that the source came from. None
        for a crop whose pixels are an image's.

    Returns
    -------
    (N, 3, S, S) uint8
        What was generated on a canvas of the same size and scale is that canvas, byte for byte.

    Raises
    ------
    PreprocessingError
        A crop's mask is empty.
    """
    side = preprocessing.canvas_px
    canvases = np.zeros((len(indices), len(CANVAS_CHANNELS), side, side), np.uint8)
    if not indices:
        return canvases
    if rendered:
        white = float(np.iinfo(pack.pixels.dtype).max)
        levels = np.tile(np.array([0.0, white], np.float32), (pack.pixels.shape[1], 1))
    else:
        levels = signal_levels(pack.pixels, pack.masks)
    scales = canvas_scales or [None] * len(indices)
    for row, (index, scale) in enumerate(zip(indices, scales, strict=True)):
        pixels, mask = pack.pixels[index], pack.masks[index]
        wanted = preprocessing if scale is None else _remaining(preprocessing, scale)
        if scale is not None and _is_canvas(pixels, mask, wanted):
            canvases[row] = pixels * mask if preprocessing.background == "zero" else pixels
        else:
            canvases[row] = to_canvas(pixels, mask, levels, channels, wanted)
    return canvases


def canvases_of_crops(
    pack: CropPack, crops: Sequence[PackedCrop], preprocessing: Preprocessing
) -> NDArray[np.uint8]:
    """Make the canvases of crops that share a pack, in their order, (N, 3, S, S); raises as `canvases_of`.

    Packs with the same bytes are one object, although the crops in it may belong to two uploads whose
    planes were named differently.
    """
    side = preprocessing.canvas_px
    canvases = np.zeros((len(crops), len(CANVAS_CHANNELS), side, side), np.uint8)
    for rendered, channels in dict.fromkeys((crop.rendered, crop.channels) for crop in crops):
        rows = [
            row for row, crop in enumerate(crops) if (crop.rendered, crop.channels) == (rendered, channels)
        ]
        canvases[rows] = canvases_of(
            pack,
            [crops[row].pack_index for row in rows],
            channels,
            preprocessing,
            rendered=rendered,
            canvas_scales=[crops[row].canvas_scale for row in rows],
        )
    return canvases


class _HasPack(Protocol):
    """Whatever lies in a pack."""

    @property
    def pack_key(self) -> str:
        """Key of the pack."""


def rows_by_pack(crops: Sequence[_HasPack]) -> dict[str, list[int]]:
    """Which of some crops lie in which pack, in the order of first occurrence: each pack is read once."""
    rows: dict[str, list[int]] = {}
    for row, crop in enumerate(crops):
        rows.setdefault(crop.pack_key, []).append(row)
    return rows


def masks_of(pack: CropPack, indices: Sequence[int], preprocessing: Preprocessing) -> NDArray[np.bool_]:
    """Where the chromosomes of some crops lie on their canvases, (N, S, S); raises `PreprocessingError`."""
    side = preprocessing.canvas_px
    masks = np.zeros((len(indices), side, side), np.bool_)
    for row, index in enumerate(indices):
        masks[row] = mask_on_canvas(pack.masks[index], preprocessing)
    return masks


def _remaining(preprocessing: Preprocessing, canvas_scale: float) -> Preprocessing:
    """What is left to do with a picture that was scaled once when it was generated."""
    return replace(preprocessing, scale=preprocessing.scale / canvas_scale)


def _is_canvas(pixels: NDArray[Any], mask: NDArray[np.bool_], remaining: Preprocessing) -> bool:
    """Whether a generated picture needs nothing more.

    It has the canvas's size, and may not become smaller; nor can it become larger, because the
    chromosome fills the canvas already. A second look at its mask must not shrink it again.
    """
    same_size = pixels.shape[-2:] == (remaining.canvas_px, remaining.canvas_px)
    return same_size and remaining.scale >= 1.0 and scale_on_canvas(mask, remaining) <= 1.0
