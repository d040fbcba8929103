"""From packed crops to a classifier's canvases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.classification.preprocessing import CANVAS_CHANNELS, Preprocessing, signal_levels, to_canvas
from models.segmentation.crops import CropPack


def canvases_of(
    pack: CropPack,
    indices: Sequence[int],
    channels: Sequence[str],
    preprocessing: Preprocessing,
    *,
    rendered: bool,
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

    Returns
    -------
    (N, 3, S, S) uint8

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
    for row, index in enumerate(indices):
        canvases[row] = to_canvas(pack.pixels[index], pack.masks[index], levels, channels, preprocessing)
    return canvases
