"""Results and pictures of a study that never ran: every number and crop here is made up.

They have the shapes and the consistency of real ones (differences are differences of the runs, means are
means of them), so that figures and reports can be drawn without training anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.study.arms import ALL_ARMS, ARMS, arms_of
from services.pipelines.study.figures.pictures import REAL_VALIDATION, Gallery, Map, StudyPictures
from tests.support import study_steps

SIDE = 48
METRICS = ("precision", "recall", "f1", "average_precision", "roc_auc")
FEW_ARMS = ("real", "augmented", "augmented-oversampled", "augmented-bbdm-filtered", "augmented-painted")
ARMS_OF = {
    "all": ALL_ARMS,
    "without-C15": (*FEW_ARMS, "real-bbdm", "augmented-bbdm"),
    "aberrations-50": FEW_ARMS,
    "aberrations-150": FEW_ARMS,
    "aberrations-450": FEW_ARMS,
}
_EXTRA_PAIRS = (
    ("augmented-bbdm-filtered", "augmented-bbdm"),
    ("augmented-bbdm-filtered", "augmented-bbdm-random"),
    ("augmented-bbdm-filtered", "augmented-oversampled"),
    ("augmented-bbdm-filtered", "augmented-bbdm-mahalanobis"),
    ("augmented-bbdm-filtered", "augmented-bbdm-knn"),
    ("augmented-bbdm-filtered", "augmented-bbdm-probability"),
    ("real-bbdm", "real"),
    ("real-painted", "real"),
    ("real-cyclegan", "real"),
    ("real-cyclegan", "real-bbdm"),
    ("augmented-painted-filtered", "augmented-painted"),
    ("oversampled-painted", "augmented-oversampled"),
    ("oversampled-painted-filtered", "augmented-oversampled"),
    ("oversampled-bbdm-filtered", "augmented-oversampled"),
)


def results(
    *,
    conditions: Sequence[str] = tuple(ARMS_OF),
    arms: Sequence[str] = ALL_ARMS,
    seeds: Sequence[int] = (0, 1, 2),
    test: bool = True,
    **changes: Any,
) -> dict[str, Any]:
    """Return made-up results as in ``results.json``; further keywords replace whole entries of the top."""
    runs = [
        _run(condition, arm, seed, test=test)
        for condition in conditions
        for arm in arms
        if arm in ARMS_OF[condition]
        for seed in seeds
    ]
    size = {"size": "full", "proves_nothing": False, "simulated": False}
    return {
        "schema": 1,
        "study": {
            "name": "adir-study",
            "version": 1,
            **size,
            "created_at": "2025-03-01T12:00:00+00:00",
            "dataset": {
                "ref": "adir/1",
                "sha256": "5d" * 32,
                "licence": "CC-BY-4.0",
                "description": "Painted metaphases of irradiated lines; made up.",
            },
            "seeds": list(seeds),
            "reference": "augmented" if "augmented" in arms else arms[0],
            "notes": ["These results are made up for tests."],
        },
        "parameters": {"size": "full", "dataset": "adir/1", "seeds": list(seeds), "classifier_steps": 4000},
        "reduced": study_steps.REDUCED,
        "environment": study_steps.ENVIRONMENT,
        "conditions": [study_steps.condition_of(name) for name in conditions],
        "arms": [
            {
                "name": arm.name,
                "title": arm.title,
                "augmented": arm.augmented,
                "remedy": arm.remedy,
                "synthetic": list(arm.synthetic),
                "selection": arm.selection,
            }
            for arm in arms_of(arms)
        ],
        "generators": study_steps.GENERATORS,
        "candidates": study_steps.CANDIDATES,
        "filters": study_steps.FILTERS,
        "runs": runs,
        "summaries": _summaries(runs),
        "comparisons": _comparisons(runs, seeds),
        "time": study_steps.TIME,
        "plan": {
            "runs": len(runs),
            "computed": max(len(runs) - 4, 0),
            "from_cache": min(len(runs), 4),
            "estimated_seconds": 90_000.0,
            "actual_seconds": 81_234.5,
        },
        "test_opened": {"runs": len(runs) if test else 0, "earlier_studies": ["adir-study/0"]},
        **changes,
    }


def pictures() -> StudyPictures:
    """Return made-up crops, maps and curves, as of the condition ``all``."""
    rng = np.random.default_rng(5)
    needed = rng.random(24)
    galleries = {}
    for number, method in enumerate(("bbdm", "cyclegan", "painted")):
        sources = crops(24, 100 * number, aberrant=False)
        made = crops(24, 100 * number, aberrant=True, blur=0 if method == "painted" else 12 * number + 6)
        kept, levels = (None, None) if method == "cyclegan" else (needed <= 0.5, needed)
        galleries[method] = Gallery(sources, made, kept, levels)
    similarity = {REAL_VALIDATION: 0.62, "bbdm": 0.55, "cyclegan": 0.42, "painted": 0.48}
    return StudyPictures(
        crops(12, 900, aberrant=True),
        crops(12, 950, aberrant=False),
        galleries,
        _map(rng),
        {name: np.clip(rng.normal(mean, 0.07, 300), -1, 1) for name, mean in similarity.items()},
        {arm: _curve(_skill("all", arm), rng) for arm in ALL_ARMS},
    )


def crops(count: int, seed: int, *, aberrant: bool, blur: int = 0) -> NDArray[np.uint8]:
    """(count, 3, 48, 48) uint8: bars at any angle, of one colour or of two; `blur` adds noise."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    made = np.zeros((count, 3, SIDE, SIDE))
    for index in range(count):
        rng = np.random.default_rng(seed + index)
        angle, bend, first = rng.random() * np.pi, rng.normal(0, 0.008), int(rng.integers(2))
        along = np.cos(angle) * columns + np.sin(angle) * rows
        across = np.cos(angle) * rows - np.sin(angle) * columns + bend * along**2
        length, width, cut = rng.uniform(11, 19), rng.uniform(3.5, 5), rng.uniform(-7, 7)
        body = (np.abs(along) < length) & (np.abs(across) < width)
        made[index, 2] = body * (110 + 25 * np.sin(along * 1.3 + seed) + rng.normal(0, 6, body.shape))
        second = body & (along > cut) if aberrant else np.zeros_like(body)
        made[index, first] = (body & ~second) * 205 + body * rng.normal(0, 4 + blur, body.shape)
        made[index, 1 - first] = second * 190 + body * rng.normal(0, 4 + blur, body.shape)
    return np.clip(made, 0, 255).astype(np.uint8)


def _map(rng: np.random.Generator) -> Map:
    normals = rng.normal((0, 0), (2.2, 1.4), (900, 2))
    aberrations = rng.normal((5, 2), (0.9, 0.6), (120, 2))
    places = {
        "bbdm": rng.normal((4, 1.5), (1.6, 1.1), (250, 2)),
        "painted": rng.normal((4.6, 1.8), (1.1, 0.9), (250, 2)),
    }
    turn = np.linspace(0, 2 * np.pi, 80)
    kept = {name: (((one - (5, 2)) / (1.5, 1.0)) ** 2).sum(axis=1) < 1 for name, one in places.items()}
    return Map(
        np.concatenate([normals, aberrations]).astype(np.float32),
        np.repeat(np.array([0, 1]), [900, 120]),
        {name: one.astype(np.float32) for name, one in places.items()},
        kept,
        np.stack([5 + 1.5 * np.cos(turn), 2 + np.sin(turn)], axis=1),
    )


def _curve(skill: float, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    recall = np.linspace(0, 1, 200)
    precision = np.clip(1 - recall ** (1 / (1 - skill)) + rng.normal(0, 0.004, 200), 0.08, 1)
    return recall, precision


def _skill(condition: str, arm: str) -> float:
    """F1 that an arm is made to have."""
    it = ARMS[arm]
    value = 0.76 + 0.05 * it.augmented + 0.01 * (it.remedy != "none")
    value += 0.02 * ("bbdm" in it.synthetic) + 0.015 * ("painted" in it.synthetic)
    value += 0.012 * (it.selection == "umap") - 0.45 * ("cyclegan" in it.synthetic)
    if condition.startswith("aberrations-"):
        share = int(condition.rpartition("-")[2]) / 1021
        value += (0.1 if not it.synthetic else 0.06) * np.log(share)
    return float(value)


def _run(condition: str, arm: str, seed: int, *, test: bool) -> dict[str, Any]:
    rng = np.random.default_rng([len(condition), ALL_ARMS.index(arm), seed])
    skill = _skill(condition, arm) + rng.normal(0, 0.012)
    lines_apart = condition.startswith("without-")
    return {
        "condition": condition,
        "arm": arm,
        "seed": seed,
        "train": {
            "normal": 10_849,
            "aberration": study_steps.condition_of(condition)["counts"]["train"]["aberration"],
            "synthetic": dict.fromkeys(ARMS[arm].synthetic, 9_000),
        },
        "steps": 4000,
        "seconds": float(rng.uniform(240, 280)),
        "loss": float(rng.uniform(0.01, 0.08)),
        "threshold": float(rng.uniform(0.3, 0.7)),
        "temperature": float(rng.uniform(1, 2)),
        "val": _figures(skill + 0.02, rng),
        "test": _figures(skill, rng) if test else None,
        "left_out": _figures(skill - 0.12, rng) if lines_apart and test else None,
    }


def _figures(skill: float, rng: np.random.Generator) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for unit, bonus in (("crops", 0.0), ("chromosomes", 0.03)):
        figures[unit] = {}
        for ratio, lift in (("natural", 0.0), ("10:1", 0.01)):
            f1 = float(np.clip(skill + bonus + lift, 0.02, 0.99))
            precision = float(np.clip(f1 + rng.normal(0, 0.03), 0.02, 0.999))
            recall = float(np.clip(f1 * precision / max(2 * precision - f1, 0.02), 0.01, 0.999))
            area = float(np.clip(f1 + 0.05, 0, 0.995))
            figures[unit][ratio] = {
                "precision": precision,
                "recall": recall,
                "f1": f1,
                "average_precision": area,
                "roc_auc": float(np.clip(f1 + 0.12, 0, 0.999)),
            }
    return figures


def _value(run: dict[str, Any], split: str, unit: str, ratio: str, metric: str) -> float:
    return float(run[split][unit][ratio][metric])


def _summaries(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for condition, arm in dict.fromkeys((run["condition"], run["arm"]) for run in runs):
        own = [run for run in runs if (run["condition"], run["arm"]) == (condition, arm)]
        for split in (name for name in ("val", "test", "left_out") if own[0][name]):
            for unit, ratio in ((u, r) for u in ("crops", "chromosomes") for r in ("natural", "10:1")):
                metrics = {}
                for metric in METRICS:
                    values = [_value(run, split, unit, ratio, metric) for run in own]
                    spread = float(np.std(values, ddof=1)) if len(own) > 1 else None
                    metrics[metric] = {"mean": float(np.mean(values)), "std": spread, "count": len(own)}
                where = {"condition": condition, "arm": arm, "split": split, "unit": unit, "ratio": ratio}
                found.append({**where, "metrics": metrics})
    return found


def _comparisons(runs: list[dict[str, Any]], seeds: Sequence[int]) -> list[dict[str, Any]]:
    by = {(run["condition"], run["arm"], run["seed"]): run for run in runs}
    found = []
    for condition in dict.fromkeys(run["condition"] for run in runs):
        arms = list(dict.fromkeys(run["arm"] for run in runs if run["condition"] == condition))
        reference = "augmented" if "augmented" in arms else arms[0]
        pairs = [(arm, reference) for arm in arms if arm != reference]
        pairs += [(arm, other) for arm, other in _EXTRA_PAIRS if {arm, other} <= set(arms)]
        for arm, other in dict.fromkeys(pairs):
            ours, theirs = ([by[condition, name, seed] for seed in seeds] for name in (arm, other))
            for split in (name for name in ("val", "test", "left_out") if ours[0][name]):
                for unit in ("crops", "chromosomes"):
                    for metric in METRICS[:4]:
                        where = {"condition": condition, "arm": arm, "reference": other, "split": split}
                        values = [
                            _value(one, split, unit, "natural", metric)
                            - _value(two, split, unit, "natural", metric)
                            for one, two in zip(ours, theirs, strict=True)
                        ]
                        found.append({**where, "unit": unit, "metric": metric, **_paired(values, split)})
    return found


def _paired(values: list[float], split: str) -> dict[str, Any]:
    middle = float(np.mean(values))
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    half = 4.30 * spread / len(values) ** 0.5
    return {
        "difference": middle,
        "seeds": len(values),
        "better_seeds": sum(value > 0 for value in values),
        "over_seeds": [middle - half, middle + half] if len(values) > 1 else None,
        "over_slides": [middle - 0.018, middle + 0.017],
        "both": [middle - 0.018 - spread, middle + 0.017 + spread],
        "resampled": "group" if split == "test" else "chromosome within group",
    }
