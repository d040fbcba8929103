"""Seconds to project the paper's 31,507 rows onto a map of 11,870, beside umap-learn.

``python -m benchmarks.filtering.speed --data FOLDER --out docs/results/filtering``

umap-learn is taken as it comes: without a seed it uses all cores. Its batched transform is timed cold (the
first call of a process) and warm, and row by row on a sample. Rounds alternate, so that all see the same
machine.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import umap
from numpy.typing import NDArray

from benchmarks.filtering.workload import NUM_QUERIES, NUM_TRAINING, at_scale, data_option
from models.manifold.manifold import Manifold, ManifoldSpec

Rows = NDArray[np.float32]


def main() -> None:
    """Measure, print, and write ``speed.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data_option(parser, required=False)
    parser.add_argument("--training", type=int, default=NUM_TRAINING)
    parser.add_argument("--rows", type=int, default=NUM_QUERIES)
    parser.add_argument("--alone", type=int, default=200, help="rows of the row-by-row sample")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    training, rows = at_scale(args.data, args.training, args.rows)
    reducer, manifold, fitted = _fit(training)

    def ours(part: Rows) -> None:
        manifold.project(part, threads=args.threads)

    cold = {"umap-learn": _seconds(reducer.transform, rows), "ours": _seconds(ours, rows)}
    warm: dict[str, list[float]] = {"umap-learn": [], "ours": []}
    alone: dict[str, list[float]] = {"umap-learn": [], "ours": []}
    for _ in range(args.rounds):
        for name, project in (("umap-learn", reducer.transform), ("ours", ours)):
            warm[name].append(_seconds(project, rows))
            sample = rows[: args.alone]
            alone[name].append(
                sum(_seconds(project, sample[i : i + 1]) for i in range(len(sample))) / len(sample)
            )
    result = {
        "training_rows": len(training),
        "rows": len(rows),
        "real": args.data is not None,
        "threads": args.threads,
        "fit_s": fitted,
        "cold_s": cold,
        "warm_s": {name: median(values) for name, values in warm.items()},
        "warm_ratios": _ratios(warm),
        "row_by_row_s": {name: median(values) for name, values in alone.items()},
        # What a lab would run for verdicts that hang on nothing else: every row alone.
        "ratio_to_row_by_row": median(alone["umap-learn"]) * len(rows) / median(warm["ours"]),
    }
    print(json.dumps(result, indent=1))
    if args.out:
        (args.out / "speed.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _fit(training: Rows) -> tuple[Any, Manifold, float]:
    """Fit umap-learn without a seed, on all cores, and take its map over."""
    started = time.perf_counter()
    reducer = umap.UMAP(n_neighbors=15, min_dist=0.1).fit(training)
    seconds = time.perf_counter() - started
    spec = ManifoldSpec(15, 0.1, float(reducer._a), float(reducer._b), 0, (1, 2, 3))
    return reducer, Manifold(spec, training, np.asarray(reducer.embedding_, np.float32)), seconds


def _seconds(project: Callable[[Rows], Any], rows: Rows) -> float:
    started = time.perf_counter()
    project(rows)
    return time.perf_counter() - started


def _ratios(seconds: dict[str, list[float]]) -> list[float]:
    return [theirs / mine for theirs, mine in zip(seconds["umap-learn"], seconds["ours"], strict=True)]


if __name__ == "__main__":
    main()
