"""What each kind of filter lets in, by level: held-out real crops, synthetic ones, and things that are none.

``python -m benchmarks.filtering.acceptance --data FOLDER --out docs/results/filtering``

Filters are fitted on training slides and looked at on validation slides. With ``--test`` the default filter's
figures on test slides are added: once, when all is chosen.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.filtering.pictures import write_pictures
from benchmarks.filtering.workload import Embedded, data_option, fit_data, real, synthetic
from benchmarks.generation.generators import Eye
from models.filtering.filter import Filter
from models.filtering.fit_types import FitParams
from models.filtering.fitting import fit_filter
from models.filtering.scores import FilterScores

LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)
METHODS: dict[str, FitParams] = {
    "umap": FitParams(),
    "umap, as laid out (paper)": FitParams(coordinates="fitted"),
    "umap, level from validation": FitParams(level="validation"),
    "umap, components by BIC": FitParams(num_components="bic"),
    "mahalanobis": FitParams(method="mahalanobis"),
    "knn": FitParams(method="knn"),
    "probability": FitParams(method="probability"),
    "none": FitParams(method="none"),
}
GATE = 99.0
_LET_IN = 0.5
_OTHERS = 300


def main() -> None:
    """Measure, print, draw, and write ``acceptance.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data_option(parser, required=True)
    parser.add_argument("--bridge", type=int, default=1400, help="crops of the shipped bridge")
    parser.add_argument("--painted", type=int, default=2000, help="painted crops")
    parser.add_argument("--test", action="store_true", help="add the default filter's figures on test slides")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    everything = real(args.data)
    train, val = everything.of("train"), everything.of("val")
    data = fit_data(train, val)
    made = {name: synthetic(args.data, name, getattr(args, name)) for name in ("bridge", "painted")}
    crops = _classes(val) | {name: one.embeddings for name, one in made.items()} | _no_chromosomes(val)
    result: dict[str, Any] = {"crops": {name: len(rows) for name, rows in crops.items()}, "methods": {}}
    filters: dict[str, Filter] = {}
    for name, params in METHODS.items():
        fitted = fit_filter(data, params, classifier="translocation/1", classifier_sha256="0" * 64)
        filters[name] = fitted.filter
        scores = {kind: fitted.filter.score(rows) for kind, rows in crops.items()}
        result["methods"][name] = _figures(fitted.filter, fitted.report, scores)
        print(name, json.dumps(result["methods"][name]["kept"]), flush=True)
    if args.test:
        held = {kind: filters["umap"].score(rows) for kind, rows in _classes(everything.of("test")).items()}
        result["test"] = _kept(filters["umap"], held)
        print("test", result["test"])
    if args.out:
        (args.out / "acceptance.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        write_pictures(args.out, filters["umap"], val, made)


def _classes(of: Embedded) -> dict[str, NDArray[np.float32]]:
    return {"real aberrations": of.embeddings[of.labels == 1], "real normals": of.embeddings[of.labels == 0]}


def _no_chromosomes(of: Embedded) -> dict[str, NDArray[np.float32]]:
    """Pictures that no filter for aberrations should keep, as the classifier sees them."""
    rng = np.random.default_rng(0)
    chosen = of.canvases[rng.permutation(len(of.canvases))[:_OTHERS]]
    noise = rng.integers(0, 256, chosen.shape).astype(np.uint8)
    shuffled = chosen.reshape(len(chosen), 3, -1)[:, :, rng.permutation(chosen.shape[-1] ** 2)]
    eye = Eye()
    return {
        "noise": eye.embeddings(noise),
        "negatives of crops": eye.embeddings(255 - chosen),
        "crops with shuffled pixels": eye.embeddings(shuffled.reshape(chosen.shape)),
        "all of one colour": eye.embeddings(np.broadcast_to(chosen.max((2, 3), keepdims=True), chosen.shape)),
    }


def _figures(found: Filter, report: dict[str, Any], scores: dict[str, FilterScores]) -> dict[str, Any]:
    needed = {kind: score.needed_level for kind, score in scores.items()}
    # Where half of the held-out aberrations are let in, methods can be compared.
    half = float(np.quantile(needed["real aberrations"], _LET_IN, method="higher"))
    return {
        "level": found.spec.level,
        "level_reason": found.spec.level_reason,
        "mixture": report["mixture"],
        "bic": report["bic"],
        "own_acceptance": report["acceptance"]["train_aberrations_out_of_sample"],
        "kept": _kept(found, scores),
        "curve": {
            "level": list(LEVELS),
            **{kind: [float((levels <= at).mean()) for at in LEVELS] for kind, levels in needed.items()},
        },
        "where_half_of_the_aberrations_are_kept": {
            kind: float((levels <= half).mean()) for kind, levels in needed.items()
        },
    }


def _kept(found: Filter, scores: dict[str, FilterScores]) -> dict[str, dict[str, float]]:
    """Shares kept at the filter's level, with the second gate, and beyond it."""
    level = found.spec.level
    return {
        kind: {
            "kept": float(score.kept(level).mean()),
            "kept_with_gate": float(score.kept(level, GATE).mean()),
            "beyond_gate": float((score.knn_percentile > GATE).mean()),
        }
        for kind, score in scores.items()
    }


if __name__ == "__main__":
    main()
