"""Pictures of results: image, true outlines and predicted outlines side by side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from benchmarks.segmentation.scoring import Scored

MARGIN_PX = 12
ZOOM = 2
TITLE_PX = 28
BACKGROUND_QUANTILE, WHITE_QUANTILE = 0.05, 0.995
GAMMA = 0.6  # lifts faint chromosomes
TRUTH_RGB, PREDICTED_RGB, OVERLAP_RGB = (80, 220, 80), (255, 80, 60), (60, 110, 255)


def save_worst(scored: list[Scored], folder: Path, subset: str, count: int = 3) -> list[Path]:
    """Write one PNG for each of the images with the lowest average precision, worst first."""
    worst = sorted(scored, key=lambda s: s.counts[0.5].average_precision)[:count]
    files = []
    for rank, item in enumerate(worst, 1):
        file = folder / f"{subset}_worst_{rank}.png"
        picture = side_by_side(item)
        cv2.imwrite(str(file), picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
        files.append(file)
    return files


def side_by_side(item: Scored) -> NDArray[np.uint8]:
    """RGB picture (h, w, 3) of one metaphase, cut to where its chromosomes are."""
    labelled = item.metaphase.labelled
    ys, xs = np.nonzero((labelled.masks > 0) | (item.masks > 0))
    rows = slice(max(int(ys.min()) - MARGIN_PX, 0), int(ys.max()) + MARGIN_PX)
    cols = slice(max(int(xs.min()) - MARGIN_PX, 0), int(xs.max()) + MARGIN_PX)
    grey = _grey(labelled.dapi)[rows, cols]
    overlaps = np.zeros_like(labelled.masks) if labelled.overlaps is None else labelled.overlaps
    truth = _outlined(grey, labelled.masks[rows, cols], TRUTH_RGB)
    truth = _outlined(truth, overlaps[rows, cols], OVERLAP_RGB)
    predicted = _outlined(grey, item.masks[rows, cols], PREDICTED_RGB)
    score = item.counts[0.5].average_precision
    true_count = item.counts[0.5].true_positives + item.counts[0.5].false_negatives
    return np.concatenate(
        [
            _titled(_enlarged(grey), item.metaphase.name),
            _titled(truth, f"truth: {true_count}"),
            _titled(predicted, f"found: {len(item.instances)}, AP@0.5 {score:.2f}"),
        ],
        axis=1,
    )


def _grey(dapi: NDArray[np.generic]) -> NDArray[np.uint8]:
    values = dapi.astype(np.float64)
    low, high = np.quantile(values, [BACKGROUND_QUANTILE, WHITE_QUANTILE])
    scaled = np.clip((values - low) / max(high - low, 1.0), 0.0, 1.0) ** GAMMA
    return np.repeat((255 * scaled).astype(np.uint8)[..., None], 3, axis=2)


def _enlarged(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return picture.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)


def _outlined(
    picture: NDArray[np.uint8], labels: NDArray[np.integer], colour: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Draw outlines at twice the size, so that they are half a pixel of the image wide."""
    large_labels = labels.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
    large = _enlarged(picture) if picture.shape[0] == labels.shape[0] else picture.copy()
    large[find_boundaries(large_labels, mode="inner")] = colour
    return large


def _titled(picture: NDArray[np.uint8], title: str) -> NDArray[np.uint8]:
    bar = np.zeros((TITLE_PX, picture.shape[1], 3), np.uint8)
    cv2.putText(bar, title, (8, TITLE_PX - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([bar, picture])
