from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.classification.preprocessing import Preprocessing, PreprocessingError, scale_on_canvas, to_canvas
from models.segmentation.crops import CropPack
from services.crops.canvases import (
    canvases_of,
    canvases_of_crops,
    masks_of,
    rows_by_pack,
)
from services.crops.types import PackedCrop

CHANNELS = ("red", "green", "dapi")
SPEC = Preprocessing(canvas_px=32, scale=1.6)
LEVELS = np.array([[0.0, 255.0]] * 3, np.float32)


def pack(length_px: int = 12, side_px: int = 48, count: int = 2, seed: int = 0) -> CropPack:
    """Noisy bars on one canvas size."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, side_px, side_px), np.bool_)
    masks[:, 3 : 3 + length_px, 9:14] = True
    windows = np.tile(np.array([0, 0, side_px, side_px], np.int32), (count, 1))
    pixels = rng.integers(0, 256, (count, 3, side_px, side_px), dtype=np.uint8)
    return CropPack(pixels, masks, np.arange(1, count + 1, dtype=np.int32), windows)


def generated(real: CropPack, preprocessing: Preprocessing) -> tuple[CropPack, list[float]]:
    """The canvases of a pack as a generator would pack them, with the scale of each."""
    indices = range(len(real))
    canvases = canvases_of(real, indices, CHANNELS, preprocessing, rendered=True)
    side = preprocessing.canvas_px
    windows = np.tile(np.array([0, 0, side, side], np.int32), (len(real), 1))
    scales = [scale_on_canvas(real.masks[index], preprocessing) for index in indices]
    return CropPack(canvases, masks_of(real, indices, preprocessing), real.labels, windows), scales


def seen(made: CropPack, scales: list[float], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """What a classifier sees of generated crops."""
    rows: list[float | None] = [*scales]
    return canvases_of(made, range(len(made)), CHANNELS, preprocessing, rendered=True, canvas_scales=rows)


def length_of(canvas: NDArray[np.uint8]) -> int:
    """Rows that a chromosome reaches."""
    return int(np.count_nonzero(canvas.any(axis=(0, 2))))


class TestCanvasesOf:
    @pytest.mark.parametrize("length_px", [5, 12, 13, 18, 19, 20, 30, 41])
    def test_leaves_a_canvas_as_it_was_generated(self, length_px: int) -> None:
        """With the generator's canvas and scale a classifier sees its very bytes, long crops included."""
        made, scales = generated(pack(length_px), SPEC)

        assert made.pixels.tobytes() == seen(made, scales, SPEC).tobytes()

    def test_scales_what_was_generated_for_another_canvas(self) -> None:
        """A classifier of half the scale sees the synthetic chromosome at the size of its real source."""
        made, scales = generated(pack(16), SPEC)
        smaller = replace(SPEC, scale=0.8)
        real = canvases_of(pack(16), [0], CHANNELS, smaller, rendered=True)[0]

        assert abs(length_of(real) - length_of(seen(made, scales, smaller)[0])) <= 1
        assert length_of(made.pixels[0].astype(np.uint8)) > 1.5 * length_of(real)

    def test_grows_what_was_made_smaller_to_fit(self) -> None:
        """A long chromosome that did not fit the generator's canvas has its true size on a larger one."""
        made, scales = generated(pack(30), SPEC)
        larger = replace(SPEC, canvas_px=64)
        real = canvases_of(pack(30), [0], CHANNELS, larger, rendered=True)[0]

        assert scales[0] < SPEC.scale
        assert abs(length_of(real) - length_of(seen(made, scales, larger)[0])) <= 3

    def test_treats_real_crops_as_before(self) -> None:
        """Without a scale of its own a crop's pixels are an image's."""
        real = pack()
        made = canvases_of(real, [1], CHANNELS, SPEC, rendered=True)

        assert to_canvas(real.pixels[1], real.masks[1], LEVELS, CHANNELS, SPEC).tobytes() == made.tobytes()

    def test_nothing_asked_for(self) -> None:
        """No crops give no canvases."""
        assert (0, 3, 32, 32) == canvases_of(pack(), [], CHANNELS, SPEC, rendered=False).shape


class TestCanvasesOfCrops:
    def test_mixes_real_and_generated_crops_of_one_pack(self) -> None:
        """Each crop is treated as what it is, and the order is kept."""
        made, scales = generated(pack(seed=3), SPEC)
        crops = [
            PackedCrop("b", "k", 1, rendered=True, channels=CHANNELS, canvas_scale=scales[1]),
            PackedCrop("a", "k", 0, rendered=True, channels=CHANNELS),
        ]
        canvases = canvases_of_crops(made, crops, SPEC)

        assert made.pixels[1].tobytes() == canvases[0].tobytes()
        assert made.pixels[0].tobytes() != canvases[1].tobytes()


class TestScaleOnCanvas:
    @pytest.mark.parametrize("length_px", [4, 12, 25, 40])
    def test_is_the_scale_that_the_canvas_has(self, length_px: int) -> None:
        """A bar of so many rows becomes so many times longer; the rim of what is shrunk is blurred."""
        real = pack(length_px)
        scale = scale_on_canvas(real.masks[0], SPEC)
        drawn = int(np.count_nonzero(masks_of(real, [0], SPEC)[0].any(axis=1)))

        assert scale <= SPEC.scale
        assert scale * length_px <= drawn <= scale * length_px + 5


class TestMasksOf:
    def test_covers_what_the_canvas_shows(self) -> None:
        """A mask is where the canvas may be other than black."""
        real = pack()
        canvases = canvases_of(real, range(2), CHANNELS, SPEC, rendered=True)
        masks = masks_of(real, range(2), SPEC)

        assert not canvases[~np.repeat(masks[:, None], 3, axis=1)].any()

    def test_empty_mask(self) -> None:
        """A crop without a chromosome cannot be placed."""
        empty = replace(pack(), masks=np.zeros((2, 48, 48), np.bool_))
        with pytest.raises(PreprocessingError, match="empty"):
            masks_of(empty, [0], SPEC)


class TestRowsByPack:
    def test_groups_in_order(self) -> None:
        """Packs come in the order of their first crop, each with all of its rows."""
        crops = [PackedCrop(str(i), key, i, rendered=True, channels=CHANNELS) for i, key in enumerate("yxy")]

        assert [("y", [0, 2]), ("x", [1])] == list(rows_by_pack(crops).items())
