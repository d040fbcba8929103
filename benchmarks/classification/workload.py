"""The bundled metaphases as crop packs, as segmentation writes them: work for the benchmarks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile

from models.classification.classifier import ClassifierSpec
from models.classification.preprocessing import Preprocessing
from models.segmentation.crops import CropPack, cut_crops
from models.segmentation.postprocess import measure

SAMPLES = Path(__file__).parents[2] / "samples"
CHANNELS = ("red", "green", "dapi")
SPEC = ClassifierSpec(Preprocessing(), (0.02, 0.02, 0.06), (0.09, 0.09, 0.16))


def sample_packs() -> list[CropPack]:
    """One pack per bundled metaphase, cut along its true masks."""
    packs = []
    for path in sorted((SAMPLES / "masks").glob("*.tif")):
        masks = tifffile.imread(path, key=0).astype(np.int32)
        planes = [tifffile.imread(SAMPLES / f"{path.stem}_{channel}.tif") for channel in CHANNELS]
        packs.append(cut_crops(np.stack(planes), masks, measure(masks, planes[-1])))
    return packs


def distinct(pack: CropPack, number: int) -> CropPack:
    """Return the same crops under other labels: another object with the same work in it."""
    return replace(pack, labels=pack.labels + np.int32(number))
