"""Score a segmenter on labelled metaphases, beside a watershed and plain Cellpose.

    python -m benchmarks.segmentation.evaluate --data PATH/mfish \
        --weights models/weights/segmenter_chromosome.safetensors --subset val \
        --out docs/results/segmentation

Writes SUBSET.json with every figure, SUBSET_worst_1..3.png, and prints the tables.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.segmentation.dataset import Metaphase, read_metaphases
from benchmarks.segmentation.pictures import save_worst
from benchmarks.segmentation.plain_cellpose import plain_masks, plain_model
from benchmarks.segmentation.scoring import Scored, by_slide, flag_quality, score_all, summary
from benchmarks.segmentation.watershed import segment_by_watershed
from models.segmentation.metrics import Counts, overlap_of
from models.segmentation.postprocess import (
    Instance,
    RemovalRules,
    largest_piece,
    measure,
    removal_reason,
)
from models.segmentation.segmenter import CellposeSegmenter, SegmentationParams

COLUMNS = (
    "ap_50",
    "ap_75",
    "ap_50_isolated",
    "ap_50_touching",
    "recall_50",
    "precision_50",
    "mean_absolute_count_error",
    "seconds_per_image",
)


def main() -> None:
    """Run all methods on one subset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--subset", choices=("train", "val", "test"), default="val")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    report = run(options.data, options.weights, options.subset, options.out)
    print(_table(report["methods"]))
    print(_table(report["slides"]))
    print(json.dumps({k: report[k] for k in ("flags", "touching_on_true_masks", "removal")}, indent=2))


def run(data: Path, weights_file: Path, subset: str, out: Path) -> dict[str, Any]:
    """Score all methods on one subset, write SUBSET.json and the pictures to `out`, return the scores."""
    out.mkdir(parents=True, exist_ok=True)
    weights = weights_file.read_bytes()
    metaphases = read_metaphases(data, subset)
    segmenter = CellposeSegmenter(weights, torch.device("cpu"))
    diameter_px = segmenter.default_diameter_px
    scored = {
        "karyobridge": score_all(lambda dapi: _with_segmenter(segmenter, dapi), metaphases),
        "plain Cellpose, same weights": score_all(_plain(weights), metaphases),
        "Otsu + watershed": score_all(lambda dapi: _with_watershed(dapi, diameter_px), metaphases),
    }
    ours = scored["karyobridge"]
    report: dict[str, Any] = {
        "subset": subset,
        "weights_sha256": segmenter.weights_sha256,
        "methods": {name: summary(items) for name, items in scored.items()},
        "slides": by_slide(ours),
        "flags": {flag: flag_quality(ours, flag) for flag in ("touching", "overlapping")},
        "touching_on_true_masks": _touching_on_true_masks(metaphases),
        "removal": _removal(segmenter, metaphases, ours),
    }
    (out / f"{subset}.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    save_worst(ours, out, subset)
    return report


def _with_segmenter(
    segmenter: CellposeSegmenter, dapi: NDArray[np.generic]
) -> tuple[NDArray[np.int32], Sequence[Instance]]:
    result = segmenter.segment(dapi)
    return result.masks, result.instances


def _with_watershed(
    dapi: NDArray[np.generic], diameter_px: float
) -> tuple[NDArray[np.int32], Sequence[Instance]]:
    result = segment_by_watershed(dapi, diameter_px)
    return result.masks, result.instances


def _plain(weights: bytes) -> Any:
    model = plain_model(weights)

    def method(dapi: NDArray[np.generic]) -> tuple[NDArray[np.int32], Sequence[Instance]]:
        return plain_masks(model, dapi), ()

    return method


def _touching_on_true_masks(metaphases: Sequence[Metaphase]) -> dict[str, float]:
    """The definition of "touching" against the data set's, with nothing but true masks."""
    right = flagged = wanted = 0
    for metaphase in metaphases:
        found = {
            i.label
            for i in measure(metaphase.labelled.masks.astype(np.int32), metaphase.labelled.dapi)
            if "touching" in i.flags
        }
        right += len(found & metaphase.touching)
        flagged += len(found)
        wanted += len(metaphase.touching)
    return {"precision": right / flagged, "recall": right / wanted}


def _removal(
    segmenter: CellposeSegmenter, metaphases: Sequence[Metaphase], scored: Sequence[Scored]
) -> dict[str, Any]:
    """What the rules cost: true masks they would refuse, and chromosomes the flow check drops."""
    rules = RemovalRules.of(segmenter.default_diameter_px, None, 0.0)
    refused: dict[str, int] = {}
    total = 0
    for metaphase in metaphases:
        whole = metaphase.labelled.masks
        for label in overlap_of(whole, whole).truth_labels:
            total += 1
            reason = removal_reason(largest_piece(whole == label), 0.0, rules)
            if reason is not None:
                refused[reason] = refused.get(reason, 0) + 1
    unchecked = score_all(lambda dapi: _unchecked(segmenter, dapi), metaphases)
    with_check = sum((s.counts[0.5] for s in scored), Counts())
    without = sum((s.counts[0.5] for s in unchecked), Counts())
    return {
        "true_masks": total,
        "true_masks_refused": refused,
        "true_positives_dropped_by_flow_check": without.true_positives - with_check.true_positives,
        "false_positives_dropped_by_flow_check": without.false_positives - with_check.false_positives,
    }


def _unchecked(
    segmenter: CellposeSegmenter, dapi: NDArray[np.generic]
) -> tuple[NDArray[np.int32], Sequence[Instance]]:
    result = segmenter.segment(dapi, SegmentationParams(flow_threshold=0.0))
    return result.masks, result.instances


def _table(rows: dict[str, dict[str, Any]]) -> str:
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [
        f"| {name} | " + " | ".join(f"{row[c]:.3f}" for c in COLUMNS) + " |" for name, row in rows.items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
