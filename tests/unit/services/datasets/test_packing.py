from __future__ import annotations

import numpy as np
import pytest

from models.segmentation.crops import CropPack
from services.datasets import packing
from services.datasets.packing import CropPacker, pixel_sha256
from services.images.crop_files import CropPicture
from services.storage.base import ObjectStore
from services.storage.factory import open_store


@pytest.fixture
def store() -> ObjectStore:
    return open_store("memory:///")


def picture(seed: int, height: int = 12, width: int = 8) -> CropPicture:
    rng = np.random.default_rng(seed)
    return CropPicture(
        rng.integers(0, 256, (3, height, width), dtype=np.uint8),
        rng.random((height, width)) > 0.5,
        grey=False,
    )


class TestCropPacker:
    def test_pixels_come_back(self, store: ObjectStore) -> None:
        """Pictures of different sizes share a canvas, each at its upper left, and lose nothing."""
        pictures = {f"{n}": picture(n, 8 + n, 20 - n) for n in range(5)}
        packer = CropPacker(store)
        for name, one in pictures.items():
            packer.add(name, one)
        for packed in packer.finish():
            pack = CropPack.from_npz(store.get(packed.pack_key))
            rows, cols = slice(packed.height), slice(packed.width)
            wanted = pictures[packed.name]

            np.testing.assert_array_equal(wanted.pixels, pack.pixels[packed.pack_index, :, rows, cols])
            np.testing.assert_array_equal(wanted.mask, pack.masks[packed.pack_index, rows, cols])
            assert wanted.mask.sum() == packed.area_px
            assert pixel_sha256(wanted.pixels, wanted.mask) == packed.sha256

    def test_full_packs(self, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
        """A pack holds so many crops; the rest goes to the next."""
        monkeypatch.setattr(packing, "CROPS_PER_PACK", 3)
        packer = CropPacker(store)
        for number in range(7):
            packer.add(str(number), picture(number))

        assert [0, 1, 2, 0, 1, 2, 0] == [crop.pack_index for crop in packer.finish()]

    def test_large_pictures_come_in_smaller_packs(self, store: ObjectStore) -> None:
        """What is held in memory stays bounded, however large pictures are."""
        packer = CropPacker(store)
        for number in range(10):
            packer.add(str(number), picture(number, 1024, 1024))
        crops = packer.finish()

        assert [0, 1, 2, 3, 4, 5, 6, 7, 0, 1] == [crop.pack_index for crop in crops]

    def test_views_of_one_chromosome(self, store: ObjectStore) -> None:
        """The same DAPI plane under other colours is the same chromosome; an empty one tells nothing."""
        first, second = picture(0), picture(1)
        second.pixels[2] = first.pixels[2]
        blank, other = picture(2), picture(3)
        blank.pixels[2] = other.pixels[2] = 0
        packer = CropPacker(store)
        for number, one in enumerate((first, second, blank, other)):
            packer.add(str(number), one)
        keys = [crop.dapi_key for crop in packer.finish()]

        assert keys[0] == keys[1]
        assert 3 == len(set(keys))

    def test_nothing(self, store: ObjectStore) -> None:
        """No picture makes no pack."""
        assert [] == CropPacker(store).finish()


class TestPixelHash:
    def test_tells_pictures_apart(self) -> None:
        """Pixels, mask, shape and depth all count."""
        pixels, mask = np.zeros((3, 4, 6), np.uint8), np.ones((4, 6), bool)
        hashes = {
            pixel_sha256(pixels, mask),
            pixel_sha256(pixels + 1, mask),
            pixel_sha256(pixels, ~mask),
            pixel_sha256(pixels.reshape(3, 6, 4), mask.reshape(6, 4)),
            pixel_sha256(pixels.astype(np.uint16), mask),
        }

        assert 5 == len(hashes)
