from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from services.errors import InvalidInputError
from services.images.channels import ChannelStack
from services.images.outlines import colour_indices, inner_boundaries
from services.images.rendering import channel_levels, crop_png, overlay_png, preview_png
from tests.support.pictures import noise

SAMPLES = Path(__file__).parents[4] / "samples"
ALL = ("red", "green", "dapi")


def image(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=("PNG",)) as opened:
        return np.asarray(opened)


def metaphase(name: str = "V1801XY") -> tuple[ChannelStack, NDArray[np.int32]]:
    planes = np.stack([tifffile.imread(SAMPLES / f"{name}_{channel}.tif") for channel in ALL])
    masks = tifffile.imread(SAMPLES / "masks" / f"{name}.tif")[0].astype(np.int32)
    return ChannelStack(planes, ALL, 8, None), masks


def spot(channel: int, dtype: str = "uint8") -> ChannelStack:
    """One bright square in one channel over a dark background."""
    pixels = np.zeros((3, 60, 80), dtype)
    pixels[channel, 20:40, 30:50] = np.iinfo(dtype).max
    return ChannelStack(pixels, ALL, 8, None)


class TestPreviewPng:
    @pytest.mark.parametrize(("channel", "strongest"), [(0, 0), (1, 1), (2, 2)])
    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    def test_channels_have_their_colours(self, channel: int, strongest: int, dtype: str) -> None:
        """Red is drawn red, green green, and DAPI blue, at either depth."""
        picture = image(preview_png(spot(channel, dtype)))

        assert (60, 80, 3) == picture.shape
        assert strongest == int(np.argmax(picture[30, 40]))
        assert picture[30, 40].max() > 240
        assert 0 == picture[5, 5].max()

    def test_longest_side_is_bounded(self) -> None:
        """A preview keeps its proportions and never grows."""
        stack, _ = metaphase()

        small = image(preview_png(stack, max_side_px=200))

        assert 200 == max(small.shape)
        assert small.shape[0] == pytest.approx(200 * 517 / 645, abs=1)
        assert (517, 645, 3) == image(preview_png(stack, max_side_px=9000)).shape
        with pytest.raises(InvalidInputError):
            preview_png(stack, max_side_px=0)

    def test_thin_strips_are_drawn(self) -> None:
        """An image much longer than wide is reduced without losing its last row."""
        stack = ChannelStack(noise(1, 2, 3000), ("dapi",), 8, None)

        assert (1, 100, 3) == image(preview_png(stack, max_side_px=100)).shape

    def test_an_empty_channel_stays_dark(self) -> None:
        """Noise is not stretched into a picture."""
        stack, _ = metaphase()
        pixels = stack.pixels.copy()
        pixels[0] = np.random.default_rng(0).integers(10, 13, pixels[0].shape)

        picture = image(preview_png(ChannelStack(pixels[:1], ("red",), 8, None)))

        assert picture[..., 0].max() < 60

    def test_chromosomes_stand_out(self) -> None:
        """On a real metaphase the background is near black and chromosomes are bright."""
        stack, masks = metaphase()

        brightness = image(preview_png(stack)).max(axis=2)

        assert np.median(brightness[masks == 0]) < 25
        assert np.median(brightness[masks > 0]) > 120


class TestOverlayPng:
    def test_outlines_follow_instances(self) -> None:
        """Only pixels within instances are coloured, at twice the size, and every instance has some."""
        stack, masks = metaphase()

        picture = image(overlay_png(stack, masks))

        coloured = np.ptp(picture.astype(int), axis=2) > 20
        large = masks.repeat(2, axis=0).repeat(2, axis=1)
        assert (1034, 1290, 3) == picture.shape
        assert not coloured[large == 0].any()
        assert set(np.unique(masks)) - {0} == set(np.unique(large[coloured]))

    def test_flagged_instances_look_different(self) -> None:
        """A flag changes the outline of its instance and of no other."""
        stack, masks = metaphase()
        label = int(masks.max())

        plain = image(overlay_png(stack, masks))
        flagged = image(overlay_png(stack, masks, {label: ("touching",)}))

        large = masks.repeat(2, axis=0).repeat(2, axis=1)
        assert {label} == set(np.unique(large[(plain != flagged).any(axis=2)]))
        assert np.array_equal(plain, image(overlay_png(stack, masks, {label: ("saturated",)})))

    def test_numbers_are_optional(self) -> None:
        """Labels are written only when asked for."""
        stack, masks = metaphase()

        assert overlay_png(stack, masks) != overlay_png(stack, masks, numbers=True)

    def test_large_images_keep_their_size(self) -> None:
        """What would exceed the largest side is not doubled."""
        stack = ChannelStack(np.zeros((1, 8, 3000), np.uint8), ("dapi",), 8, None)

        assert (8, 3000, 3) == image(overlay_png(stack, np.zeros((8, 3000), np.int32))).shape

    def test_masks_must_fit(self) -> None:
        """Masks of another size are refused."""
        stack, masks = metaphase()

        with pytest.raises(InvalidInputError, match="do not fit"):
            overlay_png(stack, masks[1:])


class TestCropPng:
    def test_single_channel_is_grey(self) -> None:
        """One channel is drawn in grey with the levels given."""
        pixels = np.full((3, 4, 5), 50, np.uint8)

        picture = image(crop_png(pixels, ALL, "green", {"green": (0.0, 100.0)}))

        assert (4, 5) == picture.shape
        assert (picture == 127).all()

    def test_colour_with_levels_of_the_whole_image(self) -> None:
        """Levels of the metaphase make crops of it comparable with its preview."""
        stack, _ = metaphase()
        levels = channel_levels(stack.pixels, stack.channels)

        crop = image(crop_png(stack.pixels[:, 200:260, 240:300], ALL, levels=levels))

        assert np.array_equal(image(preview_png(stack))[200:260, 240:300], crop)

    def test_constant_crops_do_not_fail(self) -> None:
        """A crop without contrast is drawn black."""
        assert 0 == image(crop_png(np.full((1, 4, 4), 9, np.uint16), ("dapi",))).max()

    def test_unknown_channels(self) -> None:
        """A channel that is not there, or that has no colour, is named."""
        with pytest.raises(InvalidInputError, match="no channel 'red'"):
            crop_png(np.zeros((1, 4, 4), np.uint8), ("dapi",), "red")
        with pytest.raises(InvalidInputError, match="aqua"):
            crop_png(np.zeros((1, 4, 4), np.uint8), ("aqua",))


class TestOutlines:
    def test_boundary_of_a_square(self) -> None:
        """The boundary is the outermost ring, also at the image's edge."""
        masks = np.zeros((6, 6), np.int32)
        masks[0:4, 1:5] = 3

        boundary = inner_boundaries(masks)

        assert 12 == boundary.sum()
        assert not boundary[1:3, 2:4].any()

    def test_neighbours_differ_in_colour(self) -> None:
        """On a real metaphase no two touching instances share a colour."""
        _, masks = metaphase()

        labels, colours = colour_indices(masks, 8)

        colour = dict(zip(labels.tolist(), colours.tolist(), strict=True))
        pairs = {
            (int(a), int(b))
            for first, second in ((masks[1:], masks[:-1]), (masks[:, 1:], masks[:, :-1]))
            for a, b in zip(first[first != second], second[first != second], strict=True)
            if a and b
        }
        assert pairs
        assert all(colour[a] != colour[b] for a, b in pairs)

    def test_empty_masks(self) -> None:
        """Masks without instances have no colours."""
        labels, colours = colour_indices(np.zeros((20, 20), np.int32), 8)

        assert (0, 0) == (labels.size, colours.size)
