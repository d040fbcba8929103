"""Large images in overlapping windows, and their labels stitched without cut or doubled instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CUT_MARGIN_PX = 2  # an instance this close to a seam may have been cut by it
DOUBLED_SHARE = 0.5  # of an instance already present: it is the same one, seen from the next window


@dataclass(frozen=True)
class Window:
    """A rectangle of the image: rows and columns, in pixels."""

    rows: slice
    cols: slice


def windows(shape: tuple[int, int], side_px: int, overlap_px: int) -> Iterator[Window]:
    """Cover an image (H, W) with windows of at most `side_px`, neighbours sharing `overlap_px` or more.

    An image that fits into one window gives exactly that one.
    """
    for y0, y1 in _spans(shape[0], side_px, overlap_px):
        for x0, x1 in _spans(shape[1], side_px, overlap_px):
            yield Window(slice(y0, y1), slice(x0, x1))


def _spans(length: int, side_px: int, overlap_px: int) -> list[tuple[int, int]]:
    if length <= side_px:
        return [(0, length)]
    count = int(np.ceil((length - overlap_px) / (side_px - overlap_px)))
    starts = np.linspace(0, length - side_px, count).round().astype(int)
    return [(int(start), int(start) + side_px) for start in starts]


class Stitcher:
    """Collects the labels of windows into one label image.

    An instance that reaches a seam is left to the neighbour, which sees it whole as long as it is
    shorter than the overlap. One that is mostly present already is not added again.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.masks: NDArray[np.int32] = np.zeros(shape, np.int32)
        self.shape = shape
        self._count = 0

    def add(self, window: Window, labels: NDArray[np.int32]) -> dict[int, int]:
        """Add the labels (h, w) found in a window.

        Returns
        -------
        dict
            For each label that was taken, its number in `masks`.
        """
        target = self.masks[window.rows, window.cols]
        inner = self._inner(window, labels.shape)
        taken: dict[int, int] = {}
        for label, box in enumerate(ndimage.find_objects(labels), 1):
            if box is None or _leaves(box, inner):
                continue
            instance = labels[box] == label
            free = instance & (target[box] == 0)
            if free.sum() > (1.0 - DOUBLED_SHARE) * instance.sum():
                self._count += 1
                target[box][free] = self._count
                taken[label] = self._count
        return taken

    def _inner(self, window: Window, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Part of the window's labels that no seam can have cut; the image's own edge is no seam."""
        spans = []
        for span, size, limit in zip((window.rows, window.cols), shape, self.masks.shape, strict=True):
            first = 0 if span.start == 0 else CUT_MARGIN_PX
            last = size if span.stop == limit else size - CUT_MARGIN_PX
            spans.append(slice(first, last))
        return spans[0], spans[1]


def _leaves(box: tuple[slice, slice], inner: tuple[slice, slice]) -> bool:
    return any(b.start < i.start or b.stop > i.stop for b, i in zip(box, inner, strict=True))
