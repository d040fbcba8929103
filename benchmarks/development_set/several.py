"""How well `several_chromosomes` is told on the development metaphases.

    python -m benchmarks.development_set.several --data PATH/mfish [--weights SEGMENTER.safetensors]

Three kinds of crop hold more than one chromosome: instances that the tables call merged, true
neighbours that touch taken as one, and, with weights, what a segmenter runs together. Singles are all
other instances of the same source. The rule's weights were fitted on the second kind of subset train.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from models.classification.outliers import MAX_SEVERAL, outline_of, several_score

SQUARE = np.ones((3, 3), np.bool_)
MIN_SHARE = 0.5  # of a chromosome that an instance must cover to hold it
Bools = NDArray[np.bool_]


def main() -> None:
    """Print precision and recall for each kind and subset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--subsets", nargs="+", default=["train", "val", "test"])
    options = parser.parse_args()
    segment = None if options.weights is None else _segmenter(options.weights)
    singles: dict[tuple[str, str], list[bool]] = defaultdict(list)
    several: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for file, rows in _metaphases(options.data):
        subset, slide = rows[0]["subset"], rows[0]["slide"]
        if subset not in options.subsets:
            continue
        masks = tifffile.imread(file)[0].astype(np.int32)
        areas_px = np.bincount(masks.ravel())[1:]
        usual_px = float(np.median(areas_px[areas_px > 0]))
        for row in rows:
            told = _told(masks == int(row["instance_id"]), usual_px)
            (several if row["merged"] == "1" else singles)["tables", subset].append(told)
        several["pairs", subset] += [_told(pair, usual_px) for pair in _touching_pairs(masks, rows)]
        if segment is not None:
            found = segment(tifffile.imread(options.data / "images" / slide / f"{file.stem}D.tif"))
            for instance, told in _instances(found):
                kind = several if _held(masks, areas_px, instance) > 1 else singles
                kind["segmenter", subset].append(told)
    for source, subset in sorted(several):
        alone = singles["segmenter" if source == "segmenter" else "tables", subset]
        _report(source, subset, several[source, subset], alone)


def _report(source: str, subset: str, together: list[bool], alone: list[bool]) -> None:
    hits, alarms = sum(together), sum(alone)
    print(
        f"{source:10s} {subset:6s} several {len(together):4d}, told {hits:4d}: "
        f"recall {hits / len(together):.2f}, precision {hits / max(hits + alarms, 1):.2f}; "
        f"singles {len(alone):5d}, told {alarms:3d}: {alarms / max(len(alone), 1):.1%}"
    )


def _told(mask: Bools, usual_area_px: float) -> bool:
    outline = outline_of(_cut(mask))
    return outline is not None and several_score(outline, usual_area_px) > MAX_SEVERAL


def _cut(mask: Bools) -> Bools:
    ys, xs = np.nonzero(mask)
    return mask if len(ys) == 0 else mask[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]


def _touching_pairs(masks: NDArray[np.int32], rows: list[dict[str, str]]) -> Iterator[Bools]:
    """Two chromosomes that touch, and the gap between them, as a segmenter would run them together."""
    for row in rows:
        one = int(row["instance_id"])
        for other in map(int, row["touching_ids"].split()):
            pair = (masks == one) | (masks == other)
            if one >= other or not (masks == other).any():
                continue
            closed = ndimage.binary_closing(np.pad(pair, 3), SQUARE, iterations=2)[3:-3, 3:-3]
            pair |= closed & (masks == 0)
            if ndimage.label(pair, SQUARE)[1] == 1:
                yield pair


def _instances(found: NDArray[np.int32]) -> Iterator[tuple[Bools, bool]]:
    areas_px = np.bincount(found.ravel())[1:]
    usual_px = float(np.median(areas_px[areas_px > 0]))
    for label in range(1, int(found.max()) + 1):
        mask = found == label
        yield mask, _told(mask, usual_px)


def _held(masks: NDArray[np.int32], areas_px: NDArray[np.intp], instance: Bools) -> int:
    """How many true chromosomes an instance holds."""
    inside = np.bincount(masks[instance], minlength=len(areas_px) + 1)[1:]
    return int(np.sum(inside > MIN_SHARE * np.maximum(areas_px, 1)))


def _segmenter(weights: Path) -> Any:
    import torch  # noqa: PLC0415 - only this option needs it

    from models.segmentation.segmenter import CellposeSegmenter  # noqa: PLC0415 - as above

    network = CellposeSegmenter(weights.read_bytes(), torch.device("cpu"))
    return lambda dapi: network.segment(dapi).masks


def _metaphases(folder: Path) -> Iterator[tuple[Path, list[dict[str, str]]]]:
    with (folder / "chromosomes.csv").open(newline="", encoding="utf-8") as stream:
        rows: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in csv.DictReader(stream):
            rows[row["metaphase"]].append(row)
    for name in sorted(rows):
        yield folder / "masks" / f"{name}.tif", rows[name]


if __name__ == "__main__":
    main()
