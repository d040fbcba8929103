"""Segmentation: each image's originals in, masks and packed crops out, one image at a time.

Memory holds one image and one network, however many images the job has. Objects are stored first;
then one transaction records the image's outcome, its crops and the item.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from models.segmentation.crops import CropPack, CropPackError, cut_crops
from models.segmentation.postprocess import Instance, Refined
from models.segmentation.segmenter import (
    CellposeSegmenter,
    SegmentationError,
    SegmentationParams,
    SegmentationResult,
)
from services import tracing
from services.artifacts.service import ArtifactService
from services.artifacts.types import ArtifactVersion
from services.crops.repository import CropRepository
from services.ids import new_id
from services.images.channels import ChannelStack
from services.images.errors import UploadRejectedError
from services.images.mask_exports import masks_tiff
from services.images.registration import Registered, register
from services.images.rendering import channel_levels
from services.images.repository import Image, ImageRepository, load_stack
from services.jobs.context import JobContext
from services.jobs.types import Job, JobItem
from services.pipelines.annotated_masks import ANNOTATED, AnnotatedMasks, MasksMissingError
from services.pipelines.device import device_of
from services.pipelines.errors import ItemError
from services.pipelines.resources import Resources
from services.segmentations.repository import NewSegmentation, SegmentationRepository
from services.storage.base import ObjectNotFoundError, ObjectStore
from services.storage.keys import content_key, sha256_hex

# What one image may do to itself without ending the job.
ITEM_FAILURES = (ItemError, UploadRejectedError, ObjectNotFoundError, MasksMissingError)


class Finder(Protocol):
    """Where an image's chromosomes come from: a network, or a person's masks."""

    @property
    def ref(self) -> str:
        """What is recorded as the segmenter: ``name/version``, or ``annotated``."""

    @property
    def weights_sha256(self) -> str | None:
        """Which weights, where there is a network."""

    def find(self, image: Image, stack: ChannelStack) -> Refined | SegmentationResult:
        """Label, measure and flag the chromosomes of an image."""


@dataclass(frozen=True)
class _Network:
    """An exact segmenter version and how to use it."""

    version: ArtifactVersion
    segmenter: CellposeSegmenter
    params: SegmentationParams

    @property
    def ref(self) -> str:
        return self.version.ref

    @property
    def weights_sha256(self) -> str:
        return self.segmenter.weights_sha256

    def find(self, _: Image, stack: ChannelStack) -> SegmentationResult:
        return self.segmenter.segment(stack.plane("dapi"), self.params)


@dataclass(frozen=True)
class SegmentedImage:
    """What is recorded of one image, and its crops for whatever comes next.

    Attributes
    ----------
    channels
        Names of the pack's planes.
    crop_ids
        Of the pack's crops, in their order.
    """

    segmentation: NewSegmentation
    instances: Sequence[Instance]
    sample: str
    pack: CropPack
    channels: tuple[str, ...]
    crop_ids: tuple[str, ...]

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
            rows = zip(self.crop_ids, self.instances, strict=True)
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
    finder = open_finder(context.job, resources)
    items = context.pending()
    with resources.session_factory() as session:
        images = {image.id: image for image in ImageRepository(session).require([i.input_id for i in items])}
    for item in items:
        context.check()
        context.begin(item)
        _run_item(context, resources.store, item, images[item.input_id], finder)
    with resources.session_factory() as session:
        totals = SegmentationRepository(session).totals(context.job.id)
    return {
        "images": totals.images,
        "chromosomes": totals.chromosomes,
        "touching": totals.touching,
        "segmenter": finder.ref,
        "weights_sha256": finder.weights_sha256,
        "links": {"crops": f"/v1/crops?job={context.job.id}", "items": f"/v1/jobs/{context.job.id}/items"},
    }


def open_finder(job: Job, resources: Resources) -> Finder:
    """Make ready what finds the chromosomes of a job; drawn masks need no network.

    Raises
    ------
    KaryobridgeError
        The segmenter cannot be loaded.
    """
    if job.params.get("masks") == ANNOTATED:
        return AnnotatedMasks(resources)
    version, segmenter = load_segmenter(resources, job.artifacts["segmenter"])
    names = {field.name for field in fields(SegmentationParams)}
    params = {name: value for name, value in job.params.items() if name in names}
    return _Network(version, segmenter, SegmentationParams(**params))


def load_segmenter(resources: Resources, ref: str) -> tuple[ArtifactVersion, CellposeSegmenter]:
    """Open an exact version; its network stays loaded in this process."""
    device = device_of(resources.settings)
    with resources.session_factory() as session:
        artifacts = ArtifactService(session, resources.store)
        version = artifacts.resolve("segmenter", ref)

    def load() -> CellposeSegmenter:
        return CellposeSegmenter(artifacts.open_file(version, "weights.safetensors"), device)

    return version, resources.cache.get_or_load(("segmenter", version.sha256, str(device)), load)


def _run_item(context: JobContext, store: ObjectStore, item: JobItem, image: Image, finder: Finder) -> None:
    try:
        outcome = segment_image(store, image, finder, context.job.id)
    except ITEM_FAILURES as error:
        context.fail(item, error)
    else:
        context.record(item, outcome.outputs, outcome.write)


def segment_image(store: ObjectStore, image: Image, finder: Finder, job_id: str) -> SegmentedImage:
    """Find an image's chromosomes and store masks and crops; the rows are left to the caller.

    Raises
    ------
    KaryobridgeError
        One of `ITEM_FAILURES`: this image cannot be segmented, others may.
    """
    try:
        return _segment(store, image, finder, job_id)
    except (SegmentationError, CropPackError) as error:
        raise ItemError.of(error) from error


def _segment(store: ObjectStore, image: Image, finder: Finder, job_id: str) -> SegmentedImage:
    started = time.perf_counter()
    with tracing.span("load inputs"):
        stack = load_stack(store, image)
    with tracing.span("find chromosomes"):
        registered = register(stack)
        found = finder.find(image, stack)
        pixels = cast("NDArray[np.integer[Any]]", registered.pixels)  # decoding lets in uint8, uint16 only
        pack = cut_crops(pixels, found.masks, found.instances)
    masks_key = _put(store, "masks", masks_tiff(found.masks), ".tif")
    crops_key = _put(store, "crops", pack.to_npz(), ".npz")
    levels = channel_levels(registered.pixels, stack.channels)
    segmentation = NewSegmentation(
        job_id=job_id,
        image_id=image.id,
        segmenter=finder.ref,
        masks_key=masks_key,
        crops_key=crops_key,
        num_chromosomes=len(found.instances),
        num_touching=sum("touching" in instance.flags for instance in found.instances),
        removed=dict(found.removed),
        shifts_px=_shifts(registered),
        levels={channel: list(low_high) for channel, low_high in levels.items()},
        seconds=time.perf_counter() - started,
    )
    # Lists go by id, and ids of one millisecond are in no order: sorted, crops come by label.
    ids = tuple(sorted(new_id("crop") for _ in found.instances))
    return SegmentedImage(segmentation, found.instances, image.sample, pack, stack.channels, ids)


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
