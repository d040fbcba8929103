"""Reading crops out of packs."""

from __future__ import annotations

import numpy as np
import pytest

from models.segmentation.crops import CropPack, cut_crops
from models.segmentation.postprocess import Instance
from services.clock import utc_now
from services.crops.pixels import CropReader
from services.crops.types import Crop
from services.storage.base import ObjectNotFoundError, ObjectStore
from services.storage.factory import open_store

BOXES = ((2, 3, 6, 12), (10, 10, 30, 20))


@pytest.fixture
def image() -> np.ndarray:
    """A two-channel image whose every pixel differs from its neighbours."""
    return np.arange(2 * 40 * 50, dtype=np.uint16).reshape(2, 40, 50)


@pytest.fixture
def store(image: np.ndarray) -> ObjectStore:
    """A store with one pack of two rectangular crops."""
    masks = np.zeros((40, 50), np.int32)
    instances = []
    for label, (y0, x0, y1, x1) in enumerate(BOXES, start=1):
        masks[y0:y1, x0:x1] = label
        instances.append(Instance(label, (y0, x0, y1, x1), (y1 - y0) * (x1 - x0), 0.0, 1.0, 1.0))
    opened = open_store("memory:///")
    opened.put("pack", cut_crops(image, masks, instances).to_npz())
    return opened


def crop(index: int, key: str = "pack") -> Crop:
    """Return the row of one of the two crops."""
    y0, x0, y1, x1 = BOXES[index]
    return Crop(
        id=f"crop_{index}",
        origin="segmented",
        image_id="img",
        sample="S",
        job_id="job",
        source_crop_id=None,
        pack_key=key,
        pack_index=index,
        label=index + 1,
        bbox=(y0, x0, y1, x1),
        area_px=(y1 - y0) * (x1 - x0),
        orientation_deg=0.0,
        length_px=1.0,
        width_px=1.0,
        flags=(),
        crop_class=None,
        created_at=utc_now(),
    )


class TestCropReader:
    @pytest.mark.parametrize("index", [0, 1])
    def test_gives_exactly_the_images_pixels(self, store: ObjectStore, image: np.ndarray, index: int) -> None:
        """Without a margin the crop is the bounding box, and the mask fills it."""
        y0, x0, y1, x1 = BOXES[index]
        read = CropReader(store).read(crop(index), margin_px=0)

        assert np.array_equal(image[:, y0:y1, x0:x1], read.pixels)
        assert read.mask.all()

    def test_adds_a_margin_within_the_pack(self, store: ObjectStore) -> None:
        """The margin shows what lies around the chromosome."""
        read = CropReader(store).read(crop(1), margin_px=4)

        assert read.pixels.shape == (2, 28, 18)
        assert read.mask.sum() == 200

    def test_reads_a_pack_once(self, store: ObjectStore) -> None:
        """The second crop of an image needs no store."""
        reader = CropReader(store)
        reader.read(crop(0))
        store.delete("pack")

        assert reader.read(crop(1)).mask.any()

    def test_keeps_a_bounded_number_of_packs(self, store: ObjectStore) -> None:
        """An old pack makes room and is read again when it is needed."""
        store.put("other", store.get("pack"))
        reader = CropReader(store, cached_packs=1)
        reader.read(crop(0))
        reader.read(crop(0, key="other"))
        store.delete("pack")

        with pytest.raises(ObjectNotFoundError):
            reader.read(crop(0))

    def test_an_empty_pack_has_no_crops(self) -> None:
        """An image without chromosomes is stored like any other."""
        pack = cut_crops(np.zeros((1, 8, 8), np.uint8), np.zeros((8, 8), np.int32), [])

        assert len(CropPack.from_npz(pack.to_npz())) == 0
