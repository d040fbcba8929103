"""Real crops for the benchmarks of generation: what generators learned from, and what they start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.classification.crops import LabelledCrop, canvases, labelled_crops
from models.classification.preprocessing import Preprocessing, mask_on_canvas
from models.generation.sources import Sources
from models.quality.report import CropSet

CACHE = Path("var/benchmarks/crops.npz")
PREPROCESSING = Preprocessing(canvas_px=64, scale=1.6)
_STREAM = 0x6E1


def aberrations(data: Path, split: str) -> CropSet:
    """Real translocations of a split whose junction shows."""
    crops = [crop for crop in labelled_crops(data, CACHE) if crop.label == 1 and crop.split == split]
    chosen, masks = _on_canvases(crops)
    names = [crop.chromosome for crop in crops]
    return CropSet(chosen, masks, [f"{crop.chromosome}/{crop.view}" for crop in crops], names)


def ordinary(data: Path, split: str, count: int, seed: int) -> Sources:
    """Normal chromosomes of a split to start from, each at most once, whatever its views.

    Networks see their DAPI alone; the painter sees their colours.
    """
    crops = [crop for crop in labelled_crops(data, CACHE) if crop.label == 0 and crop.split == split]
    rng = np.random.default_rng([_STREAM, seed])
    by_chromosome: dict[str, LabelledCrop] = {}
    for row in rng.permutation(len(crops)):
        by_chromosome.setdefault(crops[row].chromosome, crops[row])
    picked = list(by_chromosome.values())[:count]
    chosen, masks = _on_canvases(picked)
    names = [f"{crop.chromosome}/{crop.view}" for crop in picked]
    return Sources(chosen, masks, names, [0] * len(picked), seed)


def _on_canvases(crops: list[LabelledCrop]) -> tuple[np.ndarray, np.ndarray]:
    masks = np.stack([mask_on_canvas(crop.mask, PREPROCESSING) for crop in crops])
    return canvases(crops, PREPROCESSING), masks
