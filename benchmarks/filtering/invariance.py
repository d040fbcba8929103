"""Whether a row's place hangs on its company: ours and umap-learn's, in the same harness.

``python -m benchmarks.filtering.invariance --data FOLDER --out docs/results/filtering``

10,000 rows are projected alone, shuffled, in batches of 7, 100 and all, with one thread and two, and in
another process. Counted are the rows of which any bit differs from the first arrangement, how far they
moved, and how many verdicts of an ellipse over a tenth of the map flipped.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import umap
from numpy.typing import NDArray

from benchmarks.filtering.workload import at_scale, data_option
from models.manifold.fitting import fit_manifold
from models.manifold.manifold import Manifold, ManifoldSpec

Rows = NDArray[np.float32]
Project = Callable[[Rows], Rows]


def main() -> None:
    """Measure, print, and write ``invariance.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data_option(parser, required=False)
    parser.add_argument("--training", type=int, default=11_870)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument(
        "--umap-alone", type=int, default=300, help="rows that umap-learn projects one by one"
    )
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    training, rows = at_scale(args.data, args.training, args.rows)
    manifold = fit_manifold(training)
    centre = manifold.coordinates.mean(axis=0)
    limit = np.quantile(np.linalg.norm(manifold.coordinates - centre, axis=1), 0.5)

    def inside(places: Rows) -> NDArray[np.bool_]:
        return np.asarray(np.linalg.norm(places - centre, axis=1) <= limit)

    result = {
        "training_rows": len(training),
        "rows": len(rows),
        "real": args.data is not None,
        "map_std": float(manifold.coordinates.std()),
        "ours": _compared(_ours(manifold, rows), inside),
        "umap-learn": _compared(_umap(training, rows, args.umap_alone), inside),
    }
    print(json.dumps(result, indent=1))
    if args.out:
        (args.out / "invariance.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _ours(manifold: Manifold, rows: Rows) -> dict[str, tuple[Rows, NDArray[np.int64]]]:
    """Places by arrangement, and which rows they are of."""

    def project(part: Rows) -> Rows:
        return manifold.project(part).coordinates

    ways = _arranged(project, rows, alone=len(rows))
    ways["two threads"] = (manifold.project(rows, threads=2).coordinates, np.arange(len(rows)))
    # A process of its own, with everything compiled or loaded anew.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        state = (manifold.spec.to_json(), manifold.arrays(), rows)
        ways["another process"] = (pool.apply(_elsewhere, state), np.arange(len(rows)))
    return ways


def _elsewhere(spec: dict[str, Any], arrays: dict[str, Rows], rows: Rows) -> Rows:
    return Manifold.from_arrays(ManifoldSpec.from_json(spec), arrays).project(rows).coordinates


def _umap(training: Rows, rows: Rows, alone: int) -> dict[str, tuple[Rows, NDArray[np.int64]]]:
    warnings.filterwarnings("ignore")
    reducer = umap.UMAP(random_state=0).fit(training)
    return _arranged(reducer.transform, rows, alone=alone)


def _arranged(project: Project, rows: Rows, *, alone: int) -> dict[str, tuple[Rows, NDArray[np.int64]]]:
    everything = np.arange(len(rows))
    shuffled = np.random.default_rng(0).permutation(len(rows))
    ways: dict[str, tuple[Rows, NDArray[np.int64]]] = {"one batch": (project(rows), everything)}
    ways["one batch, shuffled"] = (project(rows[shuffled]), shuffled)
    for size in (100, 7):
        started, count = time.perf_counter(), len(rows) if size > 7 else min(len(rows), alone * 10)
        parts = [project(rows[i : min(i + size, count)]) for i in range(0, count, size)]
        ways[f"batches of {size}"] = (np.concatenate(parts), everything[:count])
        print(f"  batches of {size}: {time.perf_counter() - started:.1f} s", flush=True)
    ways["alone"] = (np.concatenate([project(rows[i : i + 1]) for i in range(alone)]), everything[:alone])
    return ways


def _compared(
    ways: dict[str, tuple[Rows, NDArray[np.int64]]], inside: Callable[[Rows], NDArray[np.bool_]]
) -> dict[str, Any]:
    """Every arrangement against the first."""
    reference, _ = ways["one batch"]
    result = {}
    for name, (places, which) in ways.items():
        expected = reference[which]
        moved = np.linalg.norm(places - expected, axis=1)
        result[name] = {
            "rows": len(which),
            "differing": int((places.view(np.int32) != expected.view(np.int32)).any(axis=1).sum()),
            "moved_p95": float(np.quantile(moved, 0.95)),
            "moved_most": float(moved.max()),
            "verdicts_flipped": float((inside(places) != inside(expected)).mean()),
        }
    return result


if __name__ == "__main__":
    main()
