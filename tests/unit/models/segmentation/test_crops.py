from __future__ import annotations

import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from numpy.typing import NDArray

from models.segmentation import crops
from models.segmentation.crops import CropPack, CropPackError, cut_crops
from models.segmentation.postprocess import Instance, measure


@pytest.fixture
def masks() -> NDArray[np.int32]:
    """Two instances, one of them at the edge of a (60, 80) image."""
    labels = np.zeros((60, 80), np.int32)
    labels[0:10, 0:25] = 1
    labels[30:50, 40:52] = 2
    return labels


@pytest.fixture
def pixels() -> NDArray[np.uint16]:
    """Three channels of 16-bit noise."""
    return np.random.default_rng(0).integers(1, 60_000, (3, 60, 80)).astype(np.uint16)


@pytest.fixture
def pack(pixels: NDArray[np.uint16], masks: NDArray[np.int32]) -> CropPack:
    """Crops of both instances."""
    return cut_crops(pixels, masks, measure(masks, pixels[0]))


def rezipped(pack: CropPack, **replaced: NDArray[np.generic]) -> bytes:
    """The pack's file with some arrays replaced."""
    stream = io.BytesIO()
    arrays = {"pixels": pack.pixels, "masks": pack.masks, "labels": pack.labels, "windows": pack.windows}
    np.savez_compressed(stream, **(arrays | replaced))  # type: ignore[arg-type]
    return stream.getvalue()


class TestCutCrops:
    def test_canvas_fits_the_largest_instance_with_its_margin(self, pack: CropPack) -> None:
        """All crops share one canvas: the largest box and a margin on each side."""
        assert pack.pixels.shape == (2, 3, 20 + 16, 25 + 16)
        assert pack.pixels.dtype == np.uint16

    def test_crop_is_the_window_of_the_image(self, pack: CropPack, pixels: NDArray[np.uint16]) -> None:
        """Pixels come unchanged from where the window says, neighbours included."""
        y0, x0, y1, x1 = pack.windows[1]

        np.testing.assert_array_equal(pixels[:, y0:y1, x0:x1], pack.pixels[1])

    def test_beyond_the_image_is_zero(self, pack: CropPack, pixels: NDArray[np.uint16]) -> None:
        """A window that reaches beyond the image is filled with zeros."""
        y0, x0, y1, x1 = pack.windows[0]

        assert (y0, x0) == (-13, -8)
        assert pack.pixels[0, :, :13].max() == 0
        np.testing.assert_array_equal(pixels[:, 0:y1, 0:x1], pack.pixels[0, :, 13:, 8:])

    def test_mask_holds_exactly_the_instance(self, pack: CropPack, masks: NDArray[np.int32]) -> None:
        """Every pixel of an instance is on its canvas."""
        assert [int(m.sum()) for m in pack.masks] == [(masks == 1).sum(), (masks == 2).sum()]

    def test_no_instances_give_an_empty_pack(self, pixels: NDArray[np.uint16]) -> None:
        """An image without chromosomes has a pack too, and it survives a file."""
        pack = cut_crops(pixels, np.zeros((60, 80), np.int32), ())

        assert len(pack) == 0
        assert len(CropPack.from_npz(pack.to_npz())) == 0

    def test_shapes_must_belong_together(self, pixels: NDArray[np.uint16]) -> None:
        """Masks of another image are refused."""
        with pytest.raises(CropPackError, match="not of one image"):
            cut_crops(pixels, np.zeros((5, 5), np.int32), ())

    def test_absurd_size_is_refused_before_memory_is_taken(self) -> None:
        """Thousands of crops on a huge canvas are an error with advice."""
        instances = [Instance(i, (0, 0, 1900, 1900), 9, 0.0, 1.0, 1.0) for i in range(1, 5000)]
        image = np.zeros((3, 1900, 1900), np.uint8)

        with pytest.raises(CropPackError, match="diameter_px"):
            cut_crops(image, np.zeros((1900, 1900), np.int32), instances)

    def test_floats_are_refused(self, masks: NDArray[np.int32]) -> None:
        """A pack holds camera pixels."""
        image = np.zeros((1, 60, 80), np.float32)

        with pytest.raises(CropPackError, match="uint8 or uint16"):
            cut_crops(image, masks, measure(masks, image[0]))  # type: ignore[arg-type]


class TestCropPack:
    def test_round_trip(self, pack: CropPack) -> None:
        """What is written comes back, types included."""
        read = CropPack.from_npz(pack.to_npz())

        for name in ("pixels", "masks", "labels", "windows"):
            expected, actual = getattr(pack, name), getattr(read, name)
            assert expected.dtype == actual.dtype
            np.testing.assert_array_equal(expected, actual)

    def test_same_crops_give_the_same_bytes(self, pack: CropPack) -> None:
        """No time stamp gets in, so equal packs share one key in the store."""
        assert pack.to_npz() == CropPack.from_npz(pack.to_npz()).to_npz()

    def test_index_of(self, pack: CropPack) -> None:
        """A crop is found by its label; an unknown one is an error."""
        assert pack.index_of(2) == 1
        with pytest.raises(CropPackError, match="instance 3"):
            pack.index_of(3)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", bytes(200)])
    def test_other_bytes_are_refused(self, content: bytes) -> None:
        """Whatever is no pack is a CropPackError with the stable code."""
        with pytest.raises(CropPackError) as caught:
            CropPack.from_npz(content)

        assert caught.value.code == "crop_pack_invalid"

    @pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
    def test_truncated_file_is_refused(self, pack: CropPack, kept: float) -> None:
        """Half an upload is an error, not fewer crops."""
        content = pack.to_npz()

        with pytest.raises(CropPackError):
            CropPack.from_npz(content[: int(kept * len(content))])

    def test_damaged_byte_is_noticed(self, pack: CropPack) -> None:
        """The archive's check sums guard the pixels."""
        content = bytearray(pack.to_npz())
        content[len(content) // 3] ^= 0xFF

        with pytest.raises(CropPackError):
            CropPack.from_npz(bytes(content))

    def test_objects_are_refused(self, pack: CropPack) -> None:
        """Arrays of Python objects, which would be unpickled, never are."""
        with pytest.raises(CropPackError):
            CropPack.from_npz(rezipped(pack, labels=np.array([{}, {}], dtype=object)))

    @pytest.mark.parametrize(
        "replaced",
        [
            {"labels": np.array([2, 1], np.int32)},
            {"labels": np.array([0, 1], np.int32)},
            {"labels": np.array([1, 2], np.int64)},
            {"labels": np.array([1], np.int32)},
            {"windows": np.zeros((2, 4), np.int32)},
            {"masks": np.zeros((2, 3, 3), np.bool_)},
            {"masks": np.zeros((2, 36, 41), np.uint8)},
            {"pixels": np.zeros((2, 36, 41), np.uint8)},
            {"pixels": np.zeros((2, 3, 36, 41), np.float64)},
            {"extra": np.zeros(1, np.uint8)},
        ],
    )
    def test_arrays_that_do_not_belong_together_are_refused(
        self, pack: CropPack, replaced: dict[str, NDArray[np.generic]]
    ) -> None:
        """Order, sizes and types are checked on reading."""
        with pytest.raises(CropPackError):
            CropPack.from_npz(rezipped(pack, **replaced))

    def test_header_that_claims_more_than_its_member_holds_is_refused(self, pack: CropPack) -> None:
        """A forged header would make numpy allocate terabytes; it is compared with the file first."""
        forged = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(pack.to_npz())) as source, zipfile.ZipFile(forged, "w") as target:
            for info in source.infolist():
                content = source.read(info)
                if info.filename == "pixels.npy":
                    content = content.replace(b"(2, 3, 36, 41)", b"(2, 3, 36, 4100000)", 1)
                target.writestr(info.filename, content)

        with pytest.raises(CropPackError):
            CropPack.from_npz(forged.getvalue())

    def test_pack_that_unpacks_beyond_the_limit_is_refused(
        self, pack: CropPack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The sizes in the archive's table are added up before anything is read."""
        content = rezipped(pack, pixels=np.zeros((2, 3, 1200, 1200), np.uint16))
        monkeypatch.setattr(crops, "MAX_PACK_BYTES", 1000)

        with pytest.raises(CropPackError, match="more than 1000 bytes"):
            CropPack.from_npz(content)


class TestModule:
    def test_does_not_import_torch(self) -> None:
        """The API process reads packs and must start without torch."""
        code = "import sys, models.segmentation.crops; sys.exit('torch' in sys.modules)"

        finished = subprocess.run([sys.executable, "-c", code], check=False)

        assert finished.returncode == 0
