"""Read the labelled development metaphases (not shipped; pass their folder with ``--data``)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from models.segmentation.training import LabelledImage


@dataclass(frozen=True)
class Metaphase:
    """One labelled metaphase: its name, where it was cut from, and its ground truth."""

    name: str
    slide: str
    subset: str
    labelled: LabelledImage
    touching: frozenset[int]


def read_metaphases(folder: Path, subset: str) -> list[Metaphase]:
    """Read every metaphase of one subset (``train``, ``val`` or ``test``) that has masks."""
    touching: dict[str, set[int]] = {}
    for row in _rows(folder / "chromosomes.csv"):
        if row["touching"] != "0" or float(row["overlap_fraction"]) > 0:
            touching.setdefault(row["metaphase"], set()).add(int(row["instance_id"]))
    found = []
    for row in _rows(folder / "metaphases.csv"):
        masks_file = folder / "masks" / f"{row['metaphase']}.tif"
        if row["subset"] != subset or not masks_file.exists():
            continue
        pages = tifffile.imread(masks_file)
        dapi: NDArray[np.generic] = tifffile.imread(
            folder / "images" / row["slide"] / f"{row['metaphase']}D.tif"
        )
        labelled = LabelledImage(dapi, pages[0].astype(np.int32), pages[1].astype(np.int32))
        near = frozenset(touching.get(row["metaphase"], set()))
        found.append(Metaphase(row["metaphase"], row["slide"], subset, labelled, near))
    return found


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
