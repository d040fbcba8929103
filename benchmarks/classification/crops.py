"""Labelled crops of the ADIR M-FISH set as the service makes them: registered, cut along true masks.

The same functions as in the service's own path, without its database: experiments read the crops of
every two-colour view once, keep them in one compressed file, and make canvases of any kind from it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from models.classification.preprocessing import Preprocessing, signal_levels, to_canvas
from models.segmentation.crops import cut_crops
from models.segmentation.postprocess import Instance
from services.images.channels import ChannelStack
from services.images.registration import register

CHANNELS = ("red", "green", "dapi")
MARGIN_PX = 4


@dataclass(frozen=True)
class LabelledCrop:
    """One chromosome in one view, cut to its bounding box and a margin."""

    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    levels: NDArray[np.float32]
    label: int
    split: str
    slide: str
    lineage: str
    chromosome: str
    view: str
    derivative: str


def labelled_crops(data: Path, cache: Path) -> list[LabelledCrop]:
    """All painted normals and visible translocations of every view; read from `cache` if it exists."""
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        _write(list(_all_crops(data)), cache)
    return _read(cache)


def canvases(crops: list[LabelledCrop], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """(N, 3, S, S) uint8 canvases of crops."""
    return np.stack([to_canvas(c.pixels, c.mask, c.levels, CHANNELS, preprocessing) for c in crops])


def _all_crops(data: Path) -> Iterator[LabelledCrop]:
    views = json.loads((data / "views.json").read_text(encoding="utf-8"))["views"]
    with (data / "chromosomes.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    with (data / "metaphases.csv").open(encoding="utf-8") as stream:
        metaphases = list(csv.DictReader(stream))
    for number, metaphase in enumerate(metaphases, 1):
        mine = [row for row in rows if row["metaphase"] == metaphase["metaphase"]]
        if not mine:
            continue
        for view in views[metaphase["probe_set"]]:
            yield from _view_crops(data, metaphase, view, mine)
        print(f"\r{number}/{len(metaphases)} {metaphase['metaphase']}", end="", flush=True)


def _view_crops(
    data: Path, metaphase: dict[str, str], view: dict[str, str], rows: list[dict[str, str]]
) -> Iterator[LabelledCrop]:
    name = metaphase["metaphase"]
    folder = data / "images" / metaphase["slide"]
    if not folder.exists():
        folder = data / "images" / metaphase["dir"]
    planes = [tifffile.imread(folder / f"{name}{view[c]}.tif") for c in ("red", "green", "blue")]
    registered = register(ChannelStack(np.stack(planes), CHANNELS, 8, None)).pixels
    masks = tifffile.imread(data / "masks" / f"{name}.tif", key=0)
    box = {int(r["instance_id"]): tuple(int(r[k]) for k in ("y0", "x0", "y1", "x1")) for r in rows}
    instances = [Instance(label, box[label], 0, 0.0, 0.0, 0.0) for label in sorted(box)]
    pack = cut_crops(registered.astype(np.uint8), masks, instances)
    levels = signal_levels(pack.pixels, pack.masks)
    for row in rows:
        painted = row["label"] == "normal" and view["name"] in row["painted_views"].split()
        aberrant = row["label"] == "translocation" and view["name"] in row["visible_views"].split()
        if not (painted or aberrant):
            continue
        index = pack.index_of(int(row["instance_id"]))
        ys, xs = np.nonzero(pack.masks[index])
        cut = (
            slice(max(ys.min() - MARGIN_PX, 0), ys.max() + MARGIN_PX + 1),
            slice(max(xs.min() - MARGIN_PX, 0), xs.max() + MARGIN_PX + 1),
        )
        yield LabelledCrop(
            pack.pixels[index][:, cut[0], cut[1]],
            pack.masks[index][cut],
            levels,
            int(aberrant),
            row["subset"],
            metaphase["slide"],
            metaphase["lineage"],
            f"{name}:{row['instance_id']}",
            view["name"],
            row["derivative"],
        )


def _write(crops: list[LabelledCrop], cache: Path) -> None:
    height = max(c.mask.shape[0] for c in crops)
    width = max(c.mask.shape[1] for c in crops)
    pixels = np.zeros((len(crops), 3, height, width), np.uint8)
    masks = np.zeros((len(crops), height, width), np.bool_)
    for index, crop in enumerate(crops):
        rows, cols = crop.mask.shape
        pixels[index, :, :rows, :cols], masks[index, :rows, :cols] = crop.pixels, crop.mask
    texts = {
        key: np.array([getattr(c, key) for c in crops])
        for key in ("split", "slide", "lineage", "chromosome", "view", "derivative")
    }
    np.savez_compressed(
        cache,
        pixels=pixels,
        masks=masks,
        levels=np.stack([c.levels for c in crops]),
        label=np.array([c.label for c in crops]),
        **texts,
    )


def _read(cache: Path) -> list[LabelledCrop]:
    with np.load(cache) as stored:
        a = {key: stored[key] for key in stored.files}
    return [
        LabelledCrop(
            a["pixels"][i],
            a["masks"][i],
            a["levels"][i],
            int(a["label"][i]),
            *(str(a[key][i]) for key in ("split", "slide", "lineage", "chromosome", "view", "derivative")),
        )
        for i in range(len(a["label"]))
    ]
