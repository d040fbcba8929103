"""Gathers what the figures of a study show: crops, the filter's map, similarities, curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from models.quality.ssim import max_ssim
from models.study.conditions import ALL
from models.study.plan import Step
from models.study.runs import FinishedRun
from services.pipelines.study.figures.pictures import REAL_VALIDATION, Gallery, Map, StudyPictures
from services.pipelines.study.filters import Selector
from services.pipelines.study.work import StudyWork

_SHOWN: Final = 60
_REAL_SHOWN: Final = 24
_SSIM_CROPS: Final = 500
_SEED: Final = 0


def pictures_of(work: StudyWork, runs: Sequence[FinishedRun]) -> StudyPictures:
    """Gather the pictures of the condition ``all``."""
    data = work.data[ALL]
    selector = Selector(work)
    candidates = {
        step.spec["method"]: step for step in work.plan.of_kind("candidates") if step.condition.name == ALL
    }
    filtered = _filtered_runs(work)
    train = data.train
    return StudyPictures(
        aberrations=_some(train.canvases[train.labels == 1], _REAL_SHOWN),
        normals=_some(train.canvases[train.labels == 0], _REAL_SHOWN),
        galleries={name: _gallery(work, step, selector, filtered) for name, step in candidates.items()},
        map=_map(selector, filtered),
        max_ssim=_similarities(work, candidates.values()),
        curves=_curves(runs),
    )


def _filtered_runs(work: StudyWork) -> dict[str, Step]:
    """Return by generator a run whose candidates a UMAP filter judged."""
    found: dict[str, Step] = {}
    for step in work.plan.of_kind("run"):
        if step.condition.name == ALL and "filter-umap" in step.needs:
            found |= dict.fromkeys(step.spec["arm"]["synthetic"], step)
    return found


def _gallery(work: StudyWork, step: Step, selector: Selector, filtered: dict[str, Step]) -> Gallery:
    made = work.result_of(step.key).arrays
    rows = np.random.default_rng(_SEED).permutation(len(made["canvases"]))[:_SHOWN]
    sources, canvases = made["sources"][rows], made["canvases"][rows]
    run = filtered.get(step.spec["method"])
    if run is None:
        return Gallery(sources, canvases)
    key = run.needs["filter-umap"]
    scores = selector.scores(key, run.needs[f"embeddings-{step.spec['method']}"])
    kept = scores.kept(selector.filter_of(key).spec.level)
    return Gallery(sources, canvases, kept[rows], scores.needed_level[rows])


def _map(selector: Selector, filtered: dict[str, Step]) -> Map | None:
    if not filtered:
        return None
    key = next(iter(filtered.values())).needs["filter-umap"]
    opened = selector.filter_of(key)
    scores = {name: selector.scores(key, step.needs[f"embeddings-{name}"]) for name, step in filtered.items()}
    mixture, level = opened.mixture, opened.spec.level
    contour = None
    if mixture is not None and level < 1.0:
        contour = mixture.outline(level, int(np.argmax(mixture.weights)))
    return Map(
        train=opened.manifold.coordinates,
        labels=opened.labels.astype(np.int64),
        candidates={name: one.coordinates for name, one in scores.items()},
        kept={name: one.kept(level) for name, one in scores.items()},
        contour=contour,
    )


def _similarities(work: StudyWork, candidates: Iterable[Step]) -> dict[str, NDArray[np.float64]]:
    data = work.data[ALL]
    real, val = data.aberrations.canvases, data.val
    check = work.context.check
    found = {}
    for step in candidates:
        canvases = _some(work.result_of(step.key).arrays["canvases"], _SSIM_CROPS)
        found[step.spec["method"]] = max_ssim(canvases, real, check=check).values
    held_out = val.canvases[val.labels == 1]
    if len(held_out):
        found[REAL_VALIDATION] = max_ssim(held_out, real, check=check).values
    return found


def _curves(
    runs: Sequence[FinishedRun],
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Precision over recall of the test crops, log-odds of all seeds together."""
    scored: dict[str, list[tuple[NDArray[np.float64], NDArray[np.int64]]]] = {}
    for run in runs:
        if run.condition == ALL and run.test is not None and run.test.levels["crops"].labels.any():
            level = run.test.levels["crops"]
            scored.setdefault(run.arm, []).append((level.log_odds, level.labels))
    curves = {}
    for arm, parts in scored.items():
        odds, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
        precision, recall, _ = precision_recall_curve(labels, odds)
        curves[arm] = (recall[::-1], precision[::-1])
    return curves


def _some(canvases: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    rows = np.random.default_rng(_SEED).permutation(len(canvases))[:most]
    return np.ascontiguousarray(canvases[rows])
