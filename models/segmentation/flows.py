"""Training targets: Cellpose's flow field, right also where chromosomes cross.

Cellpose's own `labels_to_flows` takes one label per pixel, so a chromosome that lies under another
falls into two pieces and the far piece gets no flow. Here each instance is completed with the
overlap regions it borders before its flow is computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from cellpose.dynamics import masks_to_flows_cpu
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CROSS = ndimage.generate_binary_structure(2, 2)


def flow_targets(
    masks: NDArray[np.integer[Any]], overlaps: NDArray[np.integer[Any]] | None = None
) -> NDArray[np.float32]:
    """Flow towards each instance's centre, and foreground.

    Parameters
    ----------
    masks : (H, W) integer
        Instance labels, 0 = background.
    overlaps : (H, W) integer, optional
        Labels of regions that belong to two instances (0 in `masks`); each region is added to
        every instance that touches it.

    Returns
    -------
    (3, H, W) float32
        Foreground (0 or 1), unit flow y, unit flow x. Overlap pixels carry the flow of the
        largest instance there.
    """
    height, width = masks.shape
    target = np.zeros((3, height, width), np.float32)
    regions = np.zeros_like(masks) if overlaps is None else overlaps
    target[0] = (masks > 0) | (regions > 0)
    areas = np.bincount(masks.ravel())
    boxes = ndimage.find_objects(masks)
    for label in np.argsort(areas, kind="stable"):  # small ones first, so the largest wins overlaps
        if label == 0 or areas[label] == 0:
            continue
        rows, cols = _widened(_box_with_overlaps(masks, regions, int(label), boxes[label - 1]), masks.shape)
        window_masks, window_regions = masks[rows, cols], regions[rows, cols]
        instance = window_masks == label
        touched = np.unique(window_regions[ndimage.binary_dilation(instance, _CROSS)])
        instance |= np.isin(window_regions, touched[touched > 0])
        flow = masks_to_flows_cpu(instance.astype(np.int32))[0]
        target[1:, rows, cols] = np.where(instance, flow, target[1:, rows, cols])
    return target


def _box_with_overlaps(
    masks: NDArray[np.integer[Any]], regions: NDArray[np.integer[Any]], label: int, box: tuple[slice, slice]
) -> tuple[slice, slice]:
    """Bounding box of an instance together with the overlap regions it borders."""
    rows, cols = _widened(box, masks.shape)
    near = ndimage.binary_dilation(masks[rows, cols] == label, _CROSS)
    touched = np.unique(regions[rows, cols][near])
    boxes = [
        box,
        *(ndimage.find_objects((regions == region).astype(np.uint8))[0] for region in touched[touched > 0]),
    ]
    return (
        slice(min(b[0].start for b in boxes), max(b[0].stop for b in boxes)),
        slice(min(b[1].start for b in boxes), max(b[1].stop for b in boxes)),
    )


def _widened(box: tuple[slice, slice], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The box with a margin of one pixel, cut to the image."""
    return (
        slice(max(box[0].start - 1, 0), min(box[0].stop + 1, shape[0])),
        slice(max(box[1].start - 1, 0), min(box[1].stop + 1, shape[1])),
    )
