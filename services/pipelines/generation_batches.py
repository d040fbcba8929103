"""One batch of a generation job: sources of one pack in, a pack of synthetic crops out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from models.classification.preprocessing import scale_on_canvas
from models.generation.sources import Sources
from models.segmentation.crops import CropPack
from services.crops.canvases import canvases_of_crops, masks_of
from services.crops.repository import CropRepository
from services.generation.repository import SyntheticRepository
from services.generation.types import NewSynthetic, SourceBatch, Synthetic
from services.ids import new_id
from services.jobs.params import GenerationParams
from services.pipelines.generators import OpenGenerator
from services.pipelines.resources import Resources
from services.storage.base import ObjectStore
from services.storage.keys import content_key, sha256_hex


@dataclass(frozen=True)
class GeneratedBatch:
    """What is recorded of a batch, in the order of its sources and of their sample numbers."""

    crops: Sequence[NewSynthetic]
    sha256: str

    @property
    def outputs(self) -> dict[str, Any]:
        """What the item shows to the client."""
        sources = {one.synthetic.source_crop_id for one in self.crops}
        return {"sources": len(sources), "crops": len(self.crops), "pack_sha256": self.sha256}

    def write(self, session: Session, job_id: str) -> None:
        """Insert the crops and how they were made."""
        SyntheticRepository(session).add(job_id, self.crops)


class LastPack:
    """Reads packs and keeps the last one: several batches in a row come from the same."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._key = ""
        self._pack: CropPack | None = None

    def read(self, key: str) -> CropPack:
        """Return a pack; raises `ObjectNotFoundError` or `CropPackError`."""
        if self._pack is None or key != self._key:
            self._pack = None  # memory never holds two
            self._pack, self._key = CropPack.from_npz(self._store.get(key)), key
        return self._pack


def generate_batch(
    resources: Resources,
    packs: LastPack,
    batch: SourceBatch,
    *,
    opened: OpenGenerator,
    params: GenerationParams,
    check: Callable[[], None],
) -> GeneratedBatch:
    """Generate and store the pack of a batch; the rows are left to the caller.

    Parameters
    ----------
    check
        Called between calls to the network; may raise to stop.

    Raises
    ------
    NotFoundError, ObjectNotFoundError, CropPackError
        A source or its pack is gone or damaged.
    PreprocessingError
        A source's mask is empty.
    ValueError
        One of `GENERATOR_FAILURES`.
    """
    with resources.session_factory() as session:
        crops = CropRepository(session).packed(batch.crop_ids)
    pack = packs.read(batch.pack_key)
    indices = [crop.pack_index for crop in crops]
    samples = params.samples_per_source
    sources = Sources(
        np.repeat(canvases_of_crops(pack, crops, opened.preprocessing), samples, axis=0),
        np.repeat(masks_of(pack, indices, opened.preprocessing), samples, axis=0),
        [crop_id for crop_id in batch.crop_ids for _ in range(samples)],
        list(range(samples)) * len(crops),
        params.seed,
    )
    scales = np.repeat([scale_on_canvas(pack.masks[i], opened.preprocessing) for i in indices], samples)
    made = pack_of(opened.generator.generate(sources, check), sources.masks)
    content = made.to_npz()
    sha256 = sha256_hex(content)
    key = content_key("crops", sha256, ".npz")
    if not resources.store.exists(key):
        resources.store.put(key, content)
    return GeneratedBatch(_rows(sources, scales.tolist(), opened.ref, key), sha256)


def pack_of(canvases: NDArray[np.uint8], masks: NDArray[np.bool_]) -> CropPack:
    """Pack generated canvases; the same ones always give the same bytes.

    Parameters
    ----------
    canvases : (N, 3, S, S) uint8
        Red, green, DAPI.
    masks : (N, S, S) bool
    """
    count, side = len(canvases), masks.shape[-1]
    windows = np.tile(np.array([0, 0, side, side], np.int32), (count, 1))
    return CropPack(canvases, masks, np.arange(1, count + 1, dtype=np.int32), windows)


def _rows(sources: Sources, scales: Sequence[float], generator: str, pack_key: str) -> list[NewSynthetic]:
    # Lists go by id, and ids of one millisecond are in no order: sorted, crops come by their sources.
    ids = sorted(new_id("crop") for _ in range(len(sources)))
    return [
        NewSynthetic(
            ids[index],
            Synthetic(
                sources.crop_ids[index], generator, sources.seed, sources.sample_numbers[index], scales[index]
            ),
            pack_key,
            index,
            _bbox(sources.masks[index]),
            int(np.count_nonzero(sources.masks[index])),
        )
        for index in range(len(sources))
    ]


def _bbox(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """y0, x0, y1, x1 of a mask that is not empty, half-open."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1
