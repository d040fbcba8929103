"""Which coordinates the mixture should be fitted on: where fresh aberrations are let in as the level says.

``python -m benchmarks.filtering.constructions --data FOLDER --out docs/results/filtering``

The training aberrations of one fold of slides at a time are left out of everything; the filter is fitted on
the rest. A good construction lets in as many of the left-out ones as of those it was fitted to: the gap tells
how wrong the filter's own figure is. Left-out training crops are as familiar to the classifier as the others,
so the gap is the map's alone; validation slides, new to the classifier too, are told beside. Level: the
weight of the dominant component.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.filtering.workload import Embedded, data_option, fit_data, real
from models.filtering.fit_types import CONSTRUCTIONS, Construction, FitParams
from models.filtering.fitting import fit_filter
from models.filtering.out_of_sample import folds_of


def main() -> None:
    """Measure, print, and write ``constructions.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data_option(parser, required=True)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    everything = real(args.data)
    train, val = everything.of("train"), everything.of("val")
    aberrant = np.flatnonzero(train.labels == 1)
    rows: list[dict[str, Any]] = []
    for seed in range(args.seeds):
        for fold in folds_of(train.slides[aberrant].tolist(), args.folds, seed).parts:
            left = aberrant[fold]
            for construction in CONSTRUCTIONS:
                rows.append(_measured(train, val, left, construction, seed))
                print(rows[-1], flush=True)
    result = {"runs": rows, "mean": {name: _means(rows, name) for name in CONSTRUCTIONS}}
    print(json.dumps(result["mean"], indent=1))
    if args.out:
        (args.out / "constructions.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _measured(
    train: Embedded, val: Embedded, left: np.ndarray[Any, Any], construction: Construction, seed: int
) -> dict[str, Any]:
    kept = np.setdiff1d(np.arange(len(train.labels)), left)
    rest = Embedded(*(getattr(train, name)[kept] for name in train.__dataclass_fields__))
    params = FitParams(coordinates=construction, seed=seed)
    fitted = fit_filter(fit_data(rest, val), params, classifier="translocation/1", classifier_sha256="0" * 64)
    found, report = fitted.filter, fitted.report["acceptance"]
    fresh = found.score(train.embeddings[left]).kept(found.spec.level)
    return {
        "construction": construction,
        "seed": seed,
        "left_out": len(left),
        "level": found.spec.level,
        "own": report["train_aberrations_out_of_sample"]
        if construction != "fitted"
        else report["train_aberrations_fitted"],
        "fresh": float(fresh.mean()),
        "val_aberrations": report["val_aberrations"],
        "val_normals": report["val_normals"],
    }


def _means(rows: list[dict[str, Any]], name: str) -> dict[str, float]:
    """Means over folds and seeds; the gap is that of the pooled crops."""
    own = [row for row in rows if row["construction"] == name]
    total = sum(row["left_out"] for row in own)
    fresh = sum(row["fresh"] * row["left_out"] for row in own) / total
    return {
        key: mean(row[key] for row in own) for key in ("level", "own", "val_aberrations", "val_normals")
    } | {
        "fresh": fresh,
        "gap": mean(row["own"] for row in own) - fresh,
    }


if __name__ == "__main__":
    main()
