"""Segmentation: each image's originals in, masks and packed crops out, one image at a time.

Memory holds one image and one network, however many images the job has. Objects are stored first;
then one transaction records the image's outcome, its crops and the item.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from models.segmentation.crops import CropPackError, cut_crops
from models.segmentation.postprocess import Instance
from models.segmentation.segmenter import CellposeSegmenter, SegmentationError, SegmentationParams
from services.artifacts.service import ArtifactService
from services.artifacts.types import ArtifactVersion
from services.crops.repository import CropRepository
from services.ids import new_id
from services.images.errors import UploadRejectedError
from services.images.mask_exports import masks_tiff
from services.images.registration import Registered, register
from services.images.rendering import channel_levels
from services.images.repository import Image, ImageRepository, load_stack
from services.jobs.context import JobContext
from services.jobs.types import JobItem
from services.pipelines.device import device_of
from services.pipelines.errors import ItemError
from services.pipelines.resources import Resources
from services.segmentations.repository import NewSegmentation, SegmentationRepository
from services.storage.base import ObjectNotFoundError, ObjectStore
from services.storage.keys import content_key, sha256_hex


@dataclass(frozen=True)
class _Tool:
    """The segmenter of a job and how to use it."""

    version: ArtifactVersion
    segmenter: CellposeSegmenter
    params: SegmentationParams


@dataclass(frozen=True)
class _Outcome:
    """What is recorded of one image."""

    segmentation: NewSegmentation
    instances: Sequence[Instance]
    sample: str

    @property
    def outputs(self) -> dict[str, Any]:
        """What the item shows to the client."""
        return {
            "chromosomes": self.segmentation.num_chromosomes,
            "touching": self.segmentation.num_touching,
            "removed": dict(self.segmentation.removed),
            "shifts_px": dict(self.segmentation.shifts_px),
            "seconds": round(self.segmentation.seconds, 3),
        }

    def write(self, session: Session) -> None:
        """Insert the outcome and its crops, unless an earlier attempt did."""
        new = self.segmentation
        if SegmentationRepository(session).add(new):
            # Lists go by id, and ids of one millisecond are in no order: sorted, crops come by label.
            ids = sorted(new_id("crop") for _ in self.instances)
            rows = zip(ids, self.instances, strict=True)
            CropRepository(session).add([self._crop_row(i, *row) for i, row in enumerate(rows)])

    def _crop_row(self, index: int, crop_id: str, instance: Instance) -> dict[str, Any]:
        return {
            "id": crop_id,
            "origin": "segmented",
            "image_id": self.segmentation.image_id,
            "sample": self.sample,
            "job_id": self.segmentation.job_id,
            "pack_key": self.segmentation.crops_key,
            "pack_index": index,
            "label": instance.label,
            "bbox": list(instance.bbox),
            "area_px": instance.area_px,
            "orientation_deg": instance.orientation_deg,
            "length_px": instance.length_px,
            "width_px": instance.width_px,
            "flags": list(instance.flags),
        }


def run(context: JobContext, resources: Resources) -> dict[str, Any]:
    """Segment every pending image of a job; returns counts and links.

    Raises
    ------
    KaryobridgeError
        The segmenter cannot be loaded; single images that fail are recorded and passed over.
    """
    version, segmenter = load_segmenter(resources, context.job.artifacts["segmenter"])
    tool = _Tool(version, segmenter, SegmentationParams(**context.job.params))
    items = context.pending()
    with resources.session_factory() as session:
        images = {image.id: image for image in ImageRepository(session).require([i.input_id for i in items])}
    for item in items:
        context.check()
        context.begin(item)
        _run_item(context, resources.store, item, images[item.input_id], tool)
    with resources.session_factory() as session:
        totals = SegmentationRepository(session).totals(context.job.id)
    return {
        "images": totals.images,
        "chromosomes": totals.chromosomes,
        "touching": totals.touching,
        "segmenter": version.ref,
        "weights_sha256": segmenter.weights_sha256,
        "links": {"crops": f"/v1/crops?job={context.job.id}", "items": f"/v1/jobs/{context.job.id}/items"},
    }


def load_segmenter(resources: Resources, ref: str) -> tuple[ArtifactVersion, CellposeSegmenter]:
    """Open an exact version; its network stays loaded in this process."""
    device = device_of(resources.settings)
    with resources.session_factory() as session:
        artifacts = ArtifactService(session, resources.store)
        version = artifacts.resolve("segmenter", ref)

        def load() -> CellposeSegmenter:
            return CellposeSegmenter(artifacts.open_file(version, "weights.safetensors"), device)

        return version, resources.cache.get_or_load(("segmenter", version.sha256, str(device)), load)


def _run_item(context: JobContext, store: ObjectStore, item: JobItem, image: Image, tool: _Tool) -> None:
    try:
        outcome = _segment(store, image, tool, context.job.id)
    except (SegmentationError, CropPackError) as error:
        context.fail(item, ItemError.of(error))
    except (UploadRejectedError, ObjectNotFoundError) as error:
        context.fail(item, error)
    else:
        context.record(item, outcome.outputs, outcome.write)


def _segment(store: ObjectStore, image: Image, tool: _Tool, job_id: str) -> _Outcome:
    started = time.perf_counter()
    stack = load_stack(store, image)
    registered = register(stack)
    found = tool.segmenter.segment(stack.plane("dapi"), tool.params)
    pixels = cast("NDArray[np.integer[Any]]", registered.pixels)  # decoding lets in uint8 and uint16 only
    pack = cut_crops(pixels, found.masks, found.instances)
    masks_key = _put(store, "masks", masks_tiff(found.masks), ".tif")
    crops_key = _put(store, "crops", pack.to_npz(), ".npz")
    levels = channel_levels(registered.pixels, stack.channels)
    segmentation = NewSegmentation(
        job_id=job_id,
        image_id=image.id,
        segmenter=tool.version.ref,
        masks_key=masks_key,
        crops_key=crops_key,
        num_chromosomes=len(found.instances),
        num_touching=sum("touching" in instance.flags for instance in found.instances),
        removed=dict(found.removed),
        shifts_px=_shifts(registered),
        levels={channel: list(low_high) for channel, low_high in levels.items()},
        seconds=time.perf_counter() - started,
    )
    return _Outcome(segmentation, found.instances, image.sample)


def _shifts(registered: Registered) -> dict[str, Any]:
    return {
        channel: {"dy": round(dy, 2), "dx": round(dx, 2), "reliable": registered.reliable[channel]}
        for channel, (dy, dx) in registered.shifts_px.items()
    }


def _put(store: ObjectStore, room: Any, content: bytes, extension: str) -> str:
    key = content_key(room, sha256_hex(content), extension)
    if not store.exists(key):
        store.put(key, content)
    return key
