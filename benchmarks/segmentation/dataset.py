"""Read the labelled development metaphases (not shipped; pass their folder with ``--data``)."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from models.segmentation.training import LabelledImage


@dataclass(frozen=True)
class Metaphase:
    """One labelled metaphase: its name, where it was cut from, and its ground truth.

    `overlapping` are the instances that share pixels with another one; `touching` are those and all
    that lie against another one. The rest stands alone.
    """

    name: str
    slide: str
    subset: str
    labelled: LabelledImage
    touching: frozenset[int]
    overlapping: frozenset[int]


def read_metaphases(folder: Path, subset: str) -> list[Metaphase]:
    """Read every metaphase of one subset (``train``, ``val`` or ``test``) that has masks."""
    touching: dict[str, set[int]] = defaultdict(set)
    overlapping: dict[str, set[int]] = defaultdict(set)
    for row in _rows(folder / "chromosomes.csv"):
        if float(row["overlap_fraction"]) > 0:
            overlapping[row["metaphase"]].add(int(row["instance_id"]))
        if row["touching"] != "0" or float(row["overlap_fraction"]) > 0:
            touching[row["metaphase"]].add(int(row["instance_id"]))
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
        name = row["metaphase"]
        near, crossing = frozenset(touching[name]), frozenset(overlapping[name])
        found.append(Metaphase(name, row["slide"], subset, labelled, near, crossing))
    return found


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
