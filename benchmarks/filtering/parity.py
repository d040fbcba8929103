"""The projection beside umap-learn's row by row, on the same fitted map, and how true both are to the data.

``python -m benchmarks.filtering.parity --data FOLDER --out docs/results/filtering``

Distances between the two places of a row are held against what another transform seed of umap-learn does to
it. Trustworthiness (Venna and Kaski, 2001) of validation rows tells whether neighbours on the map are
neighbours in the embedding.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import umap
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from benchmarks.filtering.workload import data_option, fit_data, real
from models.filtering.fit_types import FitParams
from models.filtering.fitting import fit_filter

PERCENTILES = (5, 25, 50, 75, 90, 95, 99, 100)
Rows = NDArray[np.float32]


def main() -> None:
    """Measure, print, and write ``parity.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data_option(parser, required=True)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    everything = real(args.data)
    train, val = everything.of("train"), everything.of("val")
    fitted = fit_filter(
        fit_data(train, val), FitParams(), classifier="translocation/1", classifier_sha256="0" * 64
    )
    found = fitted.filter
    reducer = umap.UMAP(n_neighbors=15, min_dist=0.1, random_state=0).fit(train.embeddings)
    if not np.array_equal(reducer.embedding_, found.manifold.coordinates):
        raise RuntimeError("umap-learn fitted another map from the same seed.")
    rows = val.embeddings[np.random.default_rng(0).permutation(len(val.embeddings))[: args.rows]]
    places = {"ours": found.manifold.project(rows).coordinates, "umap-learn, alone": _alone(reducer, rows)}
    reducer.transform_seed = 7
    places["umap-learn, alone, another seed"] = _alone(reducer, rows)
    places["umap-learn, one batch"] = reducer.transform(rows)
    verdicts = {name: _verdicts(found, at) for name, at in places.items()}
    result = {
        "training_rows": len(train.embeddings),
        "rows": len(rows),
        "map_std": float(found.manifold.coordinates.std()),
        "against_umap_learn_alone": {
            name: {
                "distance": _percentiles(at, places["umap-learn, alone"]),
                "verdicts_flipped": int((verdicts[name] != verdicts["umap-learn, alone"]).sum()),
            }
            for name, at in places.items()
            if name != "umap-learn, alone"
        },
        "trustworthiness": {
            name: float(trustworthiness(rows, at, n_neighbors=15)) for name, at in places.items()
        }
        | {"two principal components": float(trustworthiness(rows, _principal(train.embeddings, rows)))},
    }
    print(json.dumps(result, indent=1))
    if args.out:
        (args.out / "parity.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _alone(reducer: Any, rows: Rows) -> Rows:
    return np.concatenate([reducer.transform(rows[i : i + 1]) for i in range(len(rows))])


def _verdicts(found: Any, places: Rows) -> NDArray[np.bool_]:
    """Which places lie in the ellipse at the filter's level."""
    mixture = found.mixture
    needed = -np.expm1(-mixture.mahalanobis2(places.astype(np.float64), mixture.dominant) / 2.0)
    return np.asarray(needed <= found.spec.level)


def _percentiles(places: Rows, others: Rows) -> dict[str, float]:
    distances = np.linalg.norm(places - others, axis=1)
    return {str(p): float(np.percentile(distances, p)) for p in PERCENTILES}


def _principal(training: Rows, rows: Rows) -> Rows:
    return np.asarray(PCA(2, random_state=0).fit(training).transform(rows), np.float32)


if __name__ == "__main__":
    main()
