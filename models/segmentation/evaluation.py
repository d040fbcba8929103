"""How well a segmenter does on labelled images: the numbers that go with its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.segmentation.metrics import Counts, count_error, count_matches, overlap_of
from models.segmentation.segmenter import CellposeSegmenter
from models.segmentation.training import LabelledImage

IOU_THRESHOLDS = (0.5, 0.75)


@dataclass(frozen=True)
class Evaluation:
    """Pooled over all images.

    Attributes
    ----------
    average_precision
        TP / (TP + FP + FN) by IoU threshold.
    mean_absolute_count_error
        Of chromosomes per image.
    """

    images: int
    chromosomes: int
    average_precision: dict[float, float]
    mean_absolute_count_error: float

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers for a manifest."""
        return {
            "images": self.images,
            "chromosomes": self.chromosomes,
            "average_precision": {f"iou_{k:g}": v for k, v in self.average_precision.items()},
            "mean_absolute_count_error": self.mean_absolute_count_error,
        }


def evaluate(
    segmenter: CellposeSegmenter, images: Sequence[LabelledImage], check: Callable[[], None] = lambda: None
) -> Evaluation:
    """Segment every image and compare; pixels that belong to two chromosomes are left out.

    `check` is called before every image, so that a long evaluation can be cancelled.
    """
    counts = dict.fromkeys(IOU_THRESHOLDS, Counts())
    errors: list[int] = []
    chromosomes = 0
    for image in images:
        check()
        found = segmenter.segment(image.dapi).masks
        ignored = None if image.overlaps is None else image.overlaps > 0
        overlap = overlap_of(image.masks, found, ignored)
        chromosomes += len(overlap.truth_labels)
        counts = {iou: total + count_matches(overlap, iou) for iou, total in counts.items()}
        errors.append(abs(count_error(image.masks, found)))
    return Evaluation(
        images=len(images),
        chromosomes=chromosomes,
        average_precision={iou: total.average_precision for iou, total in counts.items()},
        mean_absolute_count_error=float(np.mean(errors)) if errors else 0.0,
    )
