"""What a made-up study says of its data, generators, filters, time and machine; see `study_results`."""

from __future__ import annotations

from typing import Any

import numpy as np

_STEPS = range(0, 40_001, 500)


def _history(start: float, end: float, seed: int) -> list[list[float]]:
    noise = np.random.default_rng(seed).normal(0, 0.03, len(_STEPS))
    return [
        [step, float((end + (start - end) * np.exp(-step / 5000)) * np.exp(jitter))]
        for step, jitter in zip(_STEPS, noise, strict=True)
    ]


def _generator(method: str, seconds: float, steps: int | None, **changes: Any) -> dict[str, Any]:
    trained = steps is not None
    return {
        "condition": "all",
        "method": method,
        "aberrations": 1_021,
        "steps": steps,
        "seconds": seconds,
        "origin": "trained in this study" if trained else "no training",
        "parameters_millions": 2.6 if trained else None,
        "settings": {"batch_size": 32, "learning_rate": 1e-4} if trained else {},
        "history": [],
        **changes,
    }


GENERATORS = [
    _generator("bbdm", 21_000.0, 40_000, history=_history(0.4, 0.03, 1)),
    _generator("cyclegan", 19_000.0, 40_000, history=_history(9.0, 2.5, 2)),
    _generator("painted", 0.4, None),
    _generator("bbdm", 20_500.0, 40_000, condition="without-C15", history=_history(0.4, 0.032, 3)),
    _generator("bbdm", 0.1, 40_000, condition="aberrations-50", origin="artifact bbdm-small/2"),
]
CANDIDATES: list[dict[str, Any]] = [
    {
        "condition": "all",
        "method": method,
        "sources": 9_000,
        "crops": 9_000,
        "quality": {
            "median_max_ssim": ssim,
            "frechet": distance,
            "two_colours": 0.93,
            "mean_probability": probability,
        },
    }
    for method, ssim, distance, probability in (
        ("bbdm", 0.551, 14.2, 0.81),
        ("cyclegan", 0.423, None, 0.22),
        ("painted", 0.482, 22.7, 0.88),
    )
]
FILTERS: list[dict[str, Any]] = [
    {
        "condition": "all",
        "generator": generator,
        "method": method,
        "level": 0.5,
        "level_reason": "the lowest level that lets in 90 % of the validation aberrations",
        "before": 9_000,
        "after": after,
        "acceptance": {
            "train_aberrations_out_of_sample": 0.91,
            "val_aberrations": 0.9,
            "val_normals": 0.12,
        },
    }
    for generator, method, after in (
        ("bbdm", "umap", 5_120),
        ("bbdm", "mahalanobis", 6_034),
        ("bbdm", "knn", 4_871),
        ("bbdm", "probability", 5_555),
        ("painted", "umap", 6_402),
    )
]
TIME: list[dict[str, Any]] = [
    {"stage": stage, "seconds": seconds, "steps": steps, "from_cache": cached}
    for stage, seconds, steps, cached in (
        ("reading crops", 14.0, 1, 0),
        ("training generators", 40_500.0, 3, 0),
        ("generating", 9_100.0, 9, 1),
        ("embedding", 420.0, 12, 0),
        ("fitting filters", 260.0, 8, 0),
        ("filtering", 95.0, 8, 0),
        ("training classifiers", 30_500.0, 144, 4),
        ("scoring", 310.0, 144, 4),
        ("report", 35.5, 1, 0),
    )
]
REDUCED: list[dict[str, Any]] = [
    {"what": "steps of a generator's training", "here": 40_000, "paper": 400_000},
    {"what": "seeds of each arm", "here": 3, "paper": 5},
    {"what": "classifier", "here": "ResNet-18", "paper": "ResNet-50"},
]
ENVIRONMENT: dict[str, Any] = {
    "karyobridge": "0.1.0",
    "python": "3.11.9",
    "torch": "2.5.1",
    "numpy": "2.1.3",
    "umap-learn": "0.5.7",
    "scikit-learn": "1.5.2",
    "device": "cpu",
    "processor": "AMD EPYC",
    "cores": 2,
    "threads": 1,
}


def condition_of(name: str) -> dict[str, Any]:
    """Return a condition by its name, such as ``all``, ``without-C15`` or ``aberrations-50``."""
    kind, _, value = name.partition("-")
    most = int(value) if kind == "aberrations" else None
    title = {"all": "The data set's own splits", "without": f"Without {value}"}.get(
        kind, f"{value} training aberrations"
    )
    sizes = {
        "train": (10_849, most or 1_021, ["A06", "B11", "C15"]),
        "val": (4_095, 397, ["A07", "B12"]),
        "test": (3_114, 263, ["A08", "B13", "D02"]),
    }
    if kind == "without":
        sizes |= {"train": (8_200, 760, ["A06", "B11"]), "left_out": (2_649, 261, [value])}
    counts = {
        split: {
            "normal": normal,
            "aberration": aberration,
            "normal_chromosomes": normal // 4,
            "aberration_chromosomes": aberration // 4,
            "groups": groups,
        }
        for split, (normal, aberration, groups) in sizes.items()
    }
    return {
        "name": name,
        "title": title,
        "left_out_groups": [value] if kind == "without" else [],
        "max_aberrations": most,
        "counts": counts,
        "unlabelled": {"crops": 31_507, "groups": 12},
    }
