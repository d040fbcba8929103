"""Scores of a segmentation method on labelled metaphases, as one table per question."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.segmentation.dataset import Metaphase
from models.segmentation.metrics import (
    BACKGROUND_GROUP,
    Counts,
    count_error,
    count_matches,
    count_matches_by_group,
    overlap_of,
)
from models.segmentation.postprocess import Instance

IOU_THRESHOLDS = (0.5, 0.75)
Method = Callable[[NDArray[np.generic]], tuple[NDArray[np.int32], Sequence[Instance]]]


@dataclass(frozen=True)
class Scored:
    """One metaphase, what a method made of it, and how good that is."""

    metaphase: Metaphase
    masks: NDArray[np.int32]
    instances: Sequence[Instance]
    seconds: float
    counts: dict[float, Counts]
    groups: dict[str, Counts]
    count_error: int


def score_all(method: Method, metaphases: Sequence[Metaphase]) -> list[Scored]:
    """Run a method on every metaphase; the first one runs twice, so that no time holds a warm-up."""
    method(metaphases[0].labelled.dapi)
    return [_score(method, metaphase) for metaphase in metaphases]


def _score(method: Method, metaphase: Metaphase) -> Scored:
    labelled = metaphase.labelled
    started = time.perf_counter()
    masks, instances = method(labelled.dapi)
    seconds = time.perf_counter() - started
    ignored = None if labelled.overlaps is None else labelled.overlaps > 0
    overlap = overlap_of(labelled.masks, masks, ignored)
    labels = {int(label) for label in overlap.truth_labels}
    groups = {"isolated": labels - metaphase.touching, "touching": labels & metaphase.touching}
    return Scored(
        metaphase,
        masks,
        instances,
        seconds,
        {iou: count_matches(overlap, iou) for iou in IOU_THRESHOLDS},
        count_matches_by_group(overlap, IOU_THRESHOLDS[0], groups),
        count_error(labelled.masks, masks),
    )


def summary(scored: Sequence[Scored]) -> dict[str, Any]:
    """Pooled figures of a method."""
    totals = {iou: sum((s.counts[iou] for s in scored), Counts()) for iou in IOU_THRESHOLDS}
    groups = {
        name: sum((s.groups[name] for s in scored), Counts())
        for name in ("isolated", "touching", BACKGROUND_GROUP)
    }
    # An object where no chromosome is stands alone: it counts against the isolated ones.
    isolated = groups["isolated"] + groups[BACKGROUND_GROUP]
    return {
        "images": len(scored),
        "chromosomes": totals[0.5].true_positives + totals[0.5].false_negatives,
        "ap_50": totals[0.5].average_precision,
        "ap_75": totals[0.75].average_precision,
        "ap_50_mean_of_images": float(np.mean([s.counts[0.5].average_precision for s in scored])),
        "recall_50": totals[0.5].recall,
        "precision_50": totals[0.5].precision,
        "ap_50_isolated": isolated.average_precision,
        "ap_50_isolated_without_background": groups["isolated"].average_precision,
        "recall_50_isolated": isolated.recall,
        "ap_50_touching": groups["touching"].average_precision,
        "on_background": groups[BACKGROUND_GROUP].false_positives,
        "mean_absolute_count_error": float(np.mean([abs(s.count_error) for s in scored])),
        "seconds_per_image": float(np.median([s.seconds for s in scored])),
    }


def by_slide(scored: Sequence[Scored]) -> dict[str, dict[str, Any]]:
    """The same figures for each slide."""
    slides = sorted({s.metaphase.slide for s in scored})
    return {slide: summary([s for s in scored if s.metaphase.slide == slide]) for slide in slides}


def flag_quality(scored: Sequence[Scored], flag: str) -> dict[str, float]:
    """Precision and recall of a flag against the tables of the data set.

    A predicted instance stands for the true one that it shares most pixels with, and the other way
    round, so chromosomes that were merged or cut count too.
    """
    flagged = right = wanted = found = 0
    for s in scored:
        truth = s.metaphase.touching if flag == "touching" else s.metaphase.overlapping
        names = {instance.label: instance.flags for instance in s.instances}
        overlap = overlap_of(s.metaphase.labelled.masks, s.masks)
        if overlap.intersection.size == 0:
            continue
        for column, label in enumerate(overlap.predicted_labels):
            if flag in names[int(label)]:
                flagged += 1
                best = overlap.truth_labels[int(np.argmax(overlap.intersection[:, column]))]
                right += int(best) in truth
        for row, label in enumerate(overlap.truth_labels):
            if int(label) in truth and overlap.intersection[row].any():
                wanted += 1
                best = overlap.predicted_labels[int(np.argmax(overlap.intersection[row]))]
                found += flag in names[int(best)]
    return {
        "precision": right / flagged if flagged else float("nan"),
        "recall": found / wanted if wanted else float("nan"),
        "flagged": flagged,
        "true": wanted,
    }
