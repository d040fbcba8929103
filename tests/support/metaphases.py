"""A tiny development set: three slides of noise in which every kind of chromosome occurs once."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import tifffile

SHAPE = (48, 64)
PLANES = "DGRY"
VIEWS = [
    {"name": "V1", "red": "R", "green": "G", "blue": "D"},
    {"name": "V2", "red": "Y", "green": "R", "blue": "D"},
]
# instance, label, visible_views, painted_views
CHROMOSOMES = (
    (1, "normal", "", "V1 V2"),
    (2, "normal", "", "V2"),
    (3, "translocation", "V1", "V1 V2"),
    (4, "uncertain", "", "V1"),
)
SUBSETS = {"S1": "train", "S2": "val", "S3": "test"}


def write_metaphases(folder: Path, *, undrawn: bool = False) -> Path:
    """Write tables, pictures and masks; `undrawn` adds a cell that nobody outlined to slide S1."""
    rng = np.random.default_rng(0)
    cells = [(f"V{slide[1]}01", slide) for slide in SUBSETS] + ([("V1EX", "S1")] if undrawn else [])
    metaphases, chromosomes = [], []
    (folder / "masks").mkdir(parents=True)
    for name, slide in cells:
        images = folder / "images" / slide
        images.mkdir(parents=True, exist_ok=True)
        for plane in PLANES:
            pixels = rng.integers(0, 200, SHAPE, dtype=np.uint8)
            tifffile.imwrite(images / f"{name}{plane}.tif", pixels)
        metaphases.append({"metaphase": name, "slide": slide, "subset": SUBSETS[slide], "probe_set": "V"})
        if name == "V1EX":
            continue
        tifffile.imwrite(folder / "masks" / f"{name}.tif", _masks(), photometric="minisblack")
        chromosomes += [
            {
                "metaphase": name,
                "instance_id": instance,
                "label": label,
                "visible_views": visible,
                "painted_views": painted,
            }
            for instance, label, visible, painted in CHROMOSOMES
        ]
    _write(folder / "metaphases.csv", metaphases)
    _write(folder / "chromosomes.csv", chromosomes)
    (folder / "views.json").write_text(json.dumps({"views": {"V": VIEWS}}), encoding="utf-8")
    return folder


def _masks() -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    pages = np.zeros((2, *SHAPE), np.uint16)
    for instance, *_ in CHROMOSOMES:
        pages[0, 4:30, 14 * instance - 8 : 14 * instance] = instance
    return pages


def _write(file: Path, rows: list[dict[str, str]] | list[dict[str, object]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
