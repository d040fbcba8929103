"""Crops of a data set that a study can run on: each shows, as its level of red, which one it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from services.datasets.types import DatasetItem
from services.pipelines.study.data import StudyCrops

SIDE = 32


def crops_of(items: Sequence[DatasetItem]) -> StudyCrops:
    """Return squares on black; the red of each is one more than its place in the list."""
    numbered = tuple(replace(item, position=place) for place, item in enumerate(items))
    canvases = np.zeros((len(items), 3, SIDE, SIDE), np.uint8)
    canvases[:, :, 8:24, 8:24] = np.arange(1, len(items) + 1, dtype=np.uint8)[:, None, None, None]
    masks = np.zeros((len(items), SIDE, SIDE), np.bool_)
    masks[:, 8:24, 8:24] = True
    return StudyCrops(numbered, canvases, masks)


def shown(crops: StudyCrops, canvases: NDArray[np.uint8]) -> list[DatasetItem]:
    """Return the items that some canvases show."""
    return [crops.items[int(level) - 1] for level in canvases[:, 0].max(axis=(1, 2))]
