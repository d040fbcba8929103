"""Chromosomes that a person outlined, in place of those that a network finds.

A lab that has drawn masks already gets crops from them through the same path: the planes are laid on
DAPI, every instance is measured and flagged, and the crops are packed. Labels stay as drawn, so that
tables which name chromosomes by their number in the mask file still fit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.segmentation.postprocess import Refined, measure
from services.errors import KaryobridgeError
from services.images.channels import ChannelStack
from services.images.mask_exports import read_masks
from services.images.repository import Image, ImageRepository
from services.pipelines.resources import Resources

ANNOTATED: Final = "annotated"
_SQUARE = ndimage.generate_binary_structure(2, 2)


class MasksMissingError(KaryobridgeError):
    """Nobody drew masks for an image of a job that cuts along drawn masks."""

    code = "annotated_masks_missing"
    title = "Nobody drew masks for this image"

    def __init__(self, image_id: str) -> None:
        super().__init__(
            f"Image {image_id} has no annotated masks: PUT /v1/images/{image_id}/masks and retry the job, or "
            "submit it without masks=annotated."
        )


class AnnotatedMasks:
    """Finds an image's chromosomes in the newest masks that a person drew for it."""

    ref: Final = ANNOTATED
    weights_sha256: Final = None

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def find(self, image: Image, stack: ChannelStack) -> Refined:
        """Read and measure the masks; no rule removes anything that a person drew.

        Raises
        ------
        MasksMissingError
            There are none.
        InvalidMasksError
            The stored masks do not fit the image.
        ObjectNotFoundError
            The stored masks are gone.
        """
        with self._resources.session_factory() as session:
            newest = ImageRepository(session).newest_masks([image.id]).get(image.id)
        if newest is None:
            raise MasksMissingError(image.id)
        content = self._resources.store.get(newest.object_key)
        masks, overlaps = read_masks(content, (image.height, image.width))
        return measure_drawn(masks, overlaps, stack.plane("dapi"))


def measure_drawn(
    masks: NDArray[np.int32], overlaps: NDArray[np.int32] | None, dapi: NDArray[np.generic]
) -> Refined:
    """Measure instances as they were drawn.

    Parameters
    ----------
    masks : (H, W) int32
        Instance labels, any positive numbers; 0 = background.
    overlaps : (H, W) int32 or None
        Non-zero where two chromosomes lie on each other. Their colours mix there, so these pixels
        belong to no crop, and the instances next to them are flagged as overlapping.
    dapi : (H, W) uint8 or uint16

    Returns
    -------
    Refined
        Labels as drawn, ascending. An instance that lies wholly in overlaps has no pixel of its own
        left; it is counted in `removed` as "hidden".
    """
    crossed: NDArray[np.bool_] = np.zeros(masks.shape, np.bool_) if overlaps is None else overlaps != 0
    # Labels are any numbers up to 2**31, and what measures them allocates as many rows as the largest.
    labels, dense = np.unique(np.where(crossed, 0, masks), return_inverse=True)
    offset = 0 if labels[0] == 0 else 1  # without background, the first label would become 0
    dense = (dense.reshape(masks.shape) + offset).astype(np.int32)
    drawn = labels[labels != 0]
    beside = dense[ndimage.binary_dilation(crossed, _SQUARE)]
    instances = measure(dense, dapi, frozenset(np.unique(beside[beside != 0]).tolist()))
    clean: NDArray[Any] = np.concatenate([np.zeros(1, np.int32), drawn])[dense].astype(np.int32)
    hidden = int(np.unique(masks[masks != 0]).size - drawn.size)
    return Refined(
        clean,
        tuple(replace(one, label=int(drawn[one.label - 1])) for one in instances),
        {"hidden": hidden} if hidden else {},
    )
