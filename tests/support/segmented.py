"""An image with two chromosomes that a finished job found, without running a network."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import numpy as np
from sqlalchemy import func, select, update

from api.wiring import Wiring
from models.segmentation.crops import cut_crops
from models.segmentation.postprocess import Instance
from services.crops.repository import CropRepository
from services.db.tables import CropRow, JobRow
from services.ids import new_id
from services.images.mask_exports import masks_tiff
from services.images.repository import ImageRepository, load_stack
from services.segmentations.repository import NewSegmentation, SegmentationRepository
from services.storage.keys import content_key, sha256_hex
from tests.support.http import upload

INSTANCES = (
    Instance(1, (4, 5, 14, 9), 40, 90.0, 10.0, 4.0),
    Instance(2, (20, 10, 26, 30), 120, 0.0, 20.0, 6.0, ("touching",)),
)


@dataclass(frozen=True)
class Segmented:
    """Ids of what was stored."""

    sample: str
    image_id: str
    job_id: str
    crop_ids: tuple[str, ...]


def segment(wiring: Wiring, client: httpx.Client, sample: str, *, seed: int = 0, **fields: str) -> Segmented:
    """Upload an image and record an outcome as a worker would; a second time, a second outcome."""
    image_id = upload(client, sample, seed=seed, **fields)["items"][0]["image_id"]
    job_id = wiring.jobs.submit("diagnostic", {}, sample=sample).id
    with wiring.sessions.begin() as session:
        image = ImageRepository(session).get(image_id)
        stack = load_stack(wiring.store, image)
        masks = np.zeros((image.height, image.width), np.int32)
        for instance in INSTANCES:
            y0, x0, y1, x1 = instance.bbox
            masks[y0:y1, x0:x1] = instance.label
        pack = cut_crops(stack.pixels, masks, INSTANCES)
        keys = {}
        for room, content, extension in (
            ("masks", masks_tiff(masks), ".tif"),
            ("crops", pack.to_npz(), ".npz"),
        ):
            keys[room] = content_key(room, sha256_hex(content), extension)
            wiring.store.put(keys[room], content)
        new = NewSegmentation(
            job_id=job_id,
            image_id=image_id,
            segmenter="chromosome/1",
            masks_key=keys["masks"],
            crops_key=keys["crops"],
            num_chromosomes=2,
            num_touching=1,
            removed={},
            shifts_px={},
            levels={"dapi": [10.0, 200.0]},
            seconds=0.1,
        )
        SegmentationRepository(session).add(new)
        rows = [
            {
                "id": new_id("crop"),
                "origin": "segmented",
                "image_id": image_id,
                "sample": sample,
                "job_id": job_id,
                "pack_key": keys["crops"],
                "pack_index": index,
                "label": instance.label,
                "bbox": list(instance.bbox),
                "area_px": instance.area_px,
                "flags": list(instance.flags),
            }
            for index, instance in enumerate(INSTANCES)
        ]
        CropRepository(session).add(rows)
        session.execute(
            update(JobRow).where(JobRow.id == job_id).values(status="succeeded", finished_at=func.now())
        )
        found = session.scalars(select(CropRow.id).where(CropRow.job_id == job_id).order_by(CropRow.label))
        return Segmented(sample, image_id, job_id, tuple(found))
