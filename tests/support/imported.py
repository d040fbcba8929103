"""Crops that came without an image, such as a data set's, in a pack of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from api.wiring import Wiring
from models.segmentation.crops import CropPack
from services.crops.repository import CropRepository
from services.db.tables import DatasetItemRow, DatasetVersionRow
from services.ids import new_id
from services.storage.keys import content_key, sha256_hex

SIDE_PX = 24


def import_crops(wiring: Wiring, number: int, *, seed: int = 0, **columns: Any) -> tuple[str, ...]:
    """Store a pack of noisy chromosomes and a row for each; returns the ids, ascending."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (number, 3, SIDE_PX, SIDE_PX), dtype=np.uint8)
    masks = np.zeros((number, SIDE_PX, SIDE_PX), np.bool_)
    masks[:, 4:20, 9:15] = True
    windows = np.tile(np.array([0, 0, SIDE_PX, SIDE_PX], np.int32), (number, 1))
    pack = CropPack(pixels, masks, np.arange(1, number + 1, dtype=np.int32), windows).to_npz()
    key = content_key("crops", sha256_hex(pack), ".npz")
    wiring.store.put(key, pack)
    ids = tuple(sorted(new_id("crop") for _ in range(number)))
    rows = [
        {
            "id": crop_id,
            "origin": "imported",
            "pack_key": key,
            "pack_index": index,
            "bbox": [4, 9, 20, 15],
            "area_px": 96,
            "flags": [],
            **columns,
        }
        for index, crop_id in enumerate(ids)
    ]
    with wiring.sessions.begin() as session:
        CropRepository(session).add(rows)
    return ids


def freeze(wiring: Wiring, name: str, crop_ids: tuple[str, ...]) -> str:
    """Record a data set version of these crops, all of them normal, and return its reference."""
    with wiring.sessions.begin() as session:
        session.add(
            DatasetVersionRow(name=name, version=1, sha256="0" * 64, source="import", manifest={}, counts={})
        )
        session.flush()
        session.add_all(
            DatasetItemRow(
                dataset_name=name,
                dataset_version=1,
                position=position,
                crop_id=crop_id,
                item_class="normal",
                split="train",
                group="slide",
                chromosome=crop_id,
                sha256="0" * 64,
            )
            for position, crop_id in enumerate(crop_ids)
        )
    return f"{name}/1"
