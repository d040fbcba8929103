"""Seconds until a fresh process has its first verdict: the artifact beside a pickled reducer and mixture.

``python -m benchmarks.filtering.cold --data FOLDER --out docs/results/filtering``

Imports are not counted, on either side. Ours loads the file with its checks (digest, probe scored again) and
scores one crop, with numba's cache from an earlier process; umap-learn's functions are compiled anew in every
process. The pickles are written by the same versions that read them, the only ones that surely can.
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import umap
from sklearn.mixture import GaussianMixture

from benchmarks.filtering.workload import NUM_TRAINING, at_scale, data_option
from models.filtering.files import to_bytes
from models.filtering.fit_types import FitData, FitParams
from models.filtering.fitting import fit_filter

OURS = """
import sys, time
from pathlib import Path
import numpy as np
from models.filtering.files import from_bytes
row = np.load(sys.argv[2])
started = time.perf_counter()
found = from_bytes(Path(sys.argv[1]).read_bytes())
loaded = time.perf_counter()
found.score(row)
print(loaded - started, time.perf_counter() - loaded)
"""
PICKLED = """
import pickle, sys, time, warnings
from pathlib import Path
import numpy as np
import sklearn.mixture, umap
warnings.filterwarnings("ignore")
row = np.load(sys.argv[2])
started = time.perf_counter()
reducer, mixture = pickle.loads(Path(sys.argv[1]).read_bytes())
loaded = time.perf_counter()
mixture.predict(reducer.transform(row))
print(loaded - started, time.perf_counter() - loaded)
"""


def main() -> None:
    """Measure, print, and write ``cold.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data_option(parser, required=False)
    parser.add_argument("--training", type=int, default=NUM_TRAINING)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    training, rows = at_scale(args.data, args.training, 100)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "row.npy", rows[:1])
        ours, pickled = folder / "filter.safetensors", folder / "reducer.pickle"
        ours.write_bytes(_filter_of(training))
        reducer = umap.UMAP(random_state=0).fit(training)
        mixture = GaussianMixture(2, random_state=0).fit(reducer.embedding_)
        pickled.write_bytes(pickle.dumps((reducer, mixture)))
        _run(OURS, ours, folder)  # fills numba's cache
        seconds: dict[str, list[tuple[float, float]]] = {"ours": [], "pickled": []}
        for _ in range(args.rounds):
            seconds["ours"].append(_run(OURS, ours, folder))
            seconds["pickled"].append(_run(PICKLED, pickled, folder))
        result: dict[str, Any] = {"training_rows": len(training), "rounds": args.rounds}
        for way, file in (("ours", ours), ("pickled", pickled)):
            result[way] = {
                "bytes": file.stat().st_size,
                "load_s": median(load for load, _ in seconds[way]),
                "first_score_s": median(first for _, first in seconds[way]),
                "both_s": median(load + first for load, first in seconds[way]),
            }
    result["ratio"] = result["pickled"]["both_s"] / result["ours"]["both_s"]
    print(json.dumps(result, indent=1))
    if args.out:
        (args.out / "cold.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _filter_of(training: np.ndarray[Any, np.dtype[np.float32]]) -> bytes:
    """Fit a filter whose aberrations are 1,021 rows that lie together, as many as the paper's."""
    labels = np.zeros(len(training), np.int64)
    labels[np.argsort(np.linalg.norm(training - training[0], axis=1))[:1021]] = 1
    width = training.shape[1]
    data = FitData(
        training,
        labels,
        [""] * len(training),
        np.zeros((0, width), np.float32),
        np.zeros(0, np.int64),
        np.zeros((2, width), np.float32),
        np.zeros(2, np.float32),
        1.0,
    )
    fitted = fit_filter(data, FitParams(), classifier="translocation/1", classifier_sha256="0" * 64)
    return to_bytes(fitted.filter)


def _run(script: str, file: Path, folder: Path) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", script, str(file), str(folder / "row.npy")],
        check=True,
        capture_output=True,
        text=True,
    )
    load, first = done.stdout.split()
    return float(load), float(first)


if __name__ == "__main__":
    main()
