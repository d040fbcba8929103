"""What people look at: previews, overlays, masks in their file formats, single crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.crops.pixels import CropReader
from services.crops.repository import CropRepository
from services.crops.types import Crop, CropFilter
from services.datasets.types import IMPORTED_CHANNELS
from services.db.engine import SessionFactory
from services.errors import NotFoundError
from services.images.crop_files import crop_picture_png
from services.images.mask_exports import imagej_rois_zip, masks_geojson, read_masks
from services.images.rendering import crop_png, overlay_png, preview_png
from services.images.repository import Image, ImageRepository, load_stack
from services.pagination import MAX_LIMIT, PageRequest
from services.segmentations.repository import Segmentation, SegmentationRepository
from services.storage.base import ObjectStore

_WHITE = 255.0


@dataclass(frozen=True)
class _Outcome:
    """An image, what a job found in it, and the crops by label."""

    image: Image
    segmentation: Segmentation
    crops: dict[int, Crop]


class PictureService:
    """Renders on request; nothing here is stored."""

    def __init__(self, session_factory: SessionFactory, store: ObjectStore) -> None:
        self._session_factory = session_factory
        self._store = store
        self._crops = CropReader(store)

    def preview(self, image_id: str) -> bytes:
        """PNG of an image in false colour."""
        with self._session_factory() as session:
            image = ImageRepository(session).get(image_id)
        return preview_png(load_stack(self._store, image))

    def masks_tiff(self, image_id: str, job_id: str | None = None) -> bytes:
        """Label TIFF of an image, uint16 or uint32, 0 = background."""
        with self._session_factory() as session:
            ImageRepository(session).get(image_id)
            segmentation = SegmentationRepository(session).get(image_id, job_id)
        return self._store.get(segmentation.masks_key)

    def masks_geojson(self, image_id: str, job_id: str | None = None) -> dict[str, Any]:
        """GeoJSON FeatureCollection: a polygon per chromosome with its crop's id and measures."""
        outcome = self._outcome(image_id, job_id)
        properties = {label: _properties(crop) for label, crop in outcome.crops.items()}
        return masks_geojson(self._masks(outcome), properties)

    def rois_zip(self, image_id: str, job_id: str | None = None) -> bytes:
        """ZIP of ImageJ ROIs, one per chromosome."""
        return imagej_rois_zip(self._masks(self._outcome(image_id, job_id)))

    def overlay(self, image_id: str, job_id: str | None = None) -> bytes:
        """PNG of the DAPI plane with every chromosome's outline; flagged ones stand out."""
        outcome = self._outcome(image_id, job_id)
        stack = load_stack(self._store, outcome.image)
        flags = {label: crop.flags for label, crop in outcome.crops.items()}
        return overlay_png(stack, self._masks(outcome), flags)

    def crop(self, crop_id: str, channel: str | None = None) -> bytes:
        """PNG of one crop: as it is if it was imported, else with its image's grey levels.

        Raises
        ------
        NotFoundError
            There is no such crop.
        InvalidInputError
            It has no such channel.
        """
        with self._session_factory() as session:
            crop = CropRepository(session).get(crop_id)
            if crop is None:
                raise NotFoundError("crop", crop_id)
            if crop.image_id is None or crop.job_id is None:
                return self._final_crop(crop, channel)
            image = ImageRepository(session).get(crop.image_id)
            segmentation = SegmentationRepository(session).get(crop.image_id, crop.job_id)
        levels = {name: (low, high) for name, (low, high) in segmentation.levels.items()}
        return crop_png(self._crops.read(crop).pixels, image.channels, channel, levels)

    def _final_crop(self, crop: Crop, channel: str | None) -> bytes:
        """Draw a crop without an image: its pixels are final colours, and nothing lies around it."""
        pixels = self._crops.read(crop, margin_px=0).pixels
        if channel is None:
            return crop_picture_png(pixels.astype(np.uint8, copy=False))
        levels = dict.fromkeys(IMPORTED_CHANNELS, (0.0, _WHITE))
        return crop_png(pixels, IMPORTED_CHANNELS, channel, levels)

    def _outcome(self, image_id: str, job_id: str | None) -> _Outcome:
        with self._session_factory() as session:
            image = ImageRepository(session).get(image_id)
            segmentation = SegmentationRepository(session).get(image_id, job_id)
            crops = _crops_of(CropRepository(session), segmentation)
        return _Outcome(image, segmentation, crops)

    def _masks(self, outcome: _Outcome) -> NDArray[np.int32]:
        shape = (outcome.image.height, outcome.image.width)
        masks, _ = read_masks(self._store.get(outcome.segmentation.masks_key), shape)
        return masks


def _crops_of(crops: CropRepository, segmentation: Segmentation) -> dict[int, Crop]:
    """All crops of a segmentation, by label."""
    wanted = CropFilter(image_id=segmentation.image_id, job_id=segmentation.job_id)
    found: dict[int, Crop] = {}
    cursor = None
    while True:
        page = crops.list_page(wanted, PageRequest(MAX_LIMIT, cursor))
        found |= {crop.label: crop for crop in page.items if crop.label is not None}
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor


def _properties(crop: Crop) -> dict[str, Any]:
    return {
        "crop_id": crop.id,
        "area_px": crop.area_px,
        "orientation_deg": crop.orientation_deg,
        "length_px": crop.length_px,
        "width_px": crop.width_px,
        "flags": list(crop.flags),
        "class": crop.crop_class,
    }
