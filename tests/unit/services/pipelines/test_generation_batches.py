from __future__ import annotations

import numpy as np
import pytest

from models.segmentation.crops import CropPack
from services.generation.types import NewSynthetic, Synthetic
from services.pipelines.generation_batches import GeneratedBatch, LastPack, pack_of
from services.storage.base import ObjectNotFoundError
from services.storage.factory import open_store

CANVASES = np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16), dtype=np.uint8)
MASKS = CANVASES[:, 0] > 100


def new(source: str, number: int) -> NewSynthetic:
    """A synthetic crop that is about to be recorded."""
    return NewSynthetic(
        f"{source}{number}", Synthetic(source, "g/1", 0, number, 1.0), "k", 0, (0, 0, 1, 1), 1
    )


class TestPackOf:
    def test_reads_back(self) -> None:
        """Any program that reads crop packs finds the canvases and their masks."""
        pack = CropPack.from_npz(pack_of(CANVASES, MASKS).to_npz())

        assert np.array_equal(CANVASES, pack.pixels)
        assert np.array_equal(MASKS, pack.masks)
        assert [1, 2, 3] == pack.labels.tolist()

    def test_same_crops_give_the_same_bytes(self) -> None:
        """What is made again is stored under the same key."""
        assert pack_of(CANVASES, MASKS).to_npz() == pack_of(CANVASES.copy(), MASKS.copy()).to_npz()


class TestLastPack:
    def test_reads_each_of_several_batches_pack_once(self) -> None:
        """While the key stays the same the pack does; another key is read anew."""
        store = open_store("memory:///")
        for key, canvases in (("a", CANVASES), ("b", CANVASES[:2])):
            store.put(key, pack_of(canvases, MASKS[: len(canvases)]).to_npz())
        packs = LastPack(store)
        first = packs.read("a")

        assert packs.read("a") is first
        assert [2, 3] == [len(packs.read("b")), len(packs.read("a"))]

    def test_missing_pack(self) -> None:
        """After a failure the pack before is read again, not taken for the missing one."""
        store = open_store("memory:///")
        store.put("a", pack_of(CANVASES, MASKS).to_npz())
        packs = LastPack(store)
        packs.read("a")
        with pytest.raises(ObjectNotFoundError):
            packs.read("b")

        assert 3 == len(packs.read("a"))


class TestGeneratedBatch:
    def test_tells_crops_and_sources(self) -> None:
        """Two samples of a source are two crops of one source."""
        batch = GeneratedBatch([new("a", 0), new("a", 1), new("b", 0)], "digest")

        assert {"sources": 2, "crops": 3, "pack_sha256": "digest"} == batch.outputs
