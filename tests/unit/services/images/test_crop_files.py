from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from services.images.crop_files import CropPicture, crop_picture_png, read_crop_picture
from services.images.errors import UploadRejectedError
from tests.support.pictures import noise, pillow, tiff

OVAL = np.hypot(*np.mgrid[-1:1:20j, -1:1:12j]) < 0.9
COLOUR = np.where(OVAL[..., None], noise(20, 12, 3) | 1, 0).astype(np.uint8)
ALPHA = (OVAL * 255).astype(np.uint8)


def read(content: bytes, name: str = "a.png") -> CropPicture:
    return read_crop_picture(io.BytesIO(content), name)


class TestMask:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.png", pillow(np.dstack([noise(20, 12, 3), ALPHA]), "PNG")),
            (
                "a.tif",
                tiff(np.dstack([noise(20, 12, 3), ALPHA]), photometric="rgb", extrasamples=["unassalpha"]),
            ),
            (
                "a.tif",
                tiff(
                    np.moveaxis(np.dstack([noise(20, 12, 3), ALPHA]), -1, 0),
                    photometric="rgb",
                    planarconfig="separate",
                    extrasamples=["unassalpha"],
                ),
            ),
            ("a.png", pillow(COLOUR, "PNG")),
            ("a.png", pillow(np.dstack([COLOUR, np.full((20, 12), 255, np.uint8)]), "PNG")),
            ("a.png", pillow(np.dstack([noise(20, 12), ALPHA]), "PNG")),
        ],
        ids=["png alpha", "tiff alpha", "separate alpha", "black border", "alpha that hides nothing", "grey"],
    )
    def test_is_alpha_or_what_is_not_black(self, name: str, content: bytes) -> None:
        """Alpha says what belongs to the chromosome; without it a black surrounding does."""
        np.testing.assert_array_equal(OVAL, read(content, name).mask)

    def test_is_everything_without_a_sign(self) -> None:
        """A picture whose border is not black is all chromosome."""
        assert read(pillow(noise(20, 12, 3) | 1, "PNG")).mask.all()

    def test_ignores_the_haze_of_jpeg(self) -> None:
        """Black is not quite black after JPEG."""
        picture = np.zeros((48, 48, 3), np.uint8)
        picture[16:32, 16:32] = 200
        mask = read(pillow(picture, "JPEG", quality=90), "a.jpg").mask

        assert mask[18:30, 18:30].all()
        assert not mask[0].any()

    def test_half_transparent_is_outside(self) -> None:
        """The outline of a smoothed mask lies where it covers half of a pixel."""
        alpha = np.tile(np.array([0, 127, 128, 255], np.uint8), (4, 1))

        assert [False, False, True, True] == list(
            read(pillow(np.dstack([noise(4, 4, 3), alpha]), "PNG")).mask[0]
        )


class TestPixels:
    def test_red_green_dapi(self) -> None:
        """Colours are channels, and keep what lies off the mask."""
        picture = read(pillow(np.dstack([COLOUR, 255 - ALPHA]), "PNG"))

        np.testing.assert_array_equal(np.moveaxis(COLOUR, -1, 0), picture.pixels)
        assert not picture.grey

    @pytest.mark.parametrize("pixels", [noise(9, 7), np.repeat(noise(9, 7)[..., None], 3, axis=2)])
    def test_grey_is_dapi(self, pixels: NDArray[np.uint8]) -> None:
        """A grey picture, also one saved as colour, is DAPI alone."""
        picture = read(pillow(pixels, "PNG"))

        assert picture.grey
        assert 0 == picture.pixels[:2].max() < picture.pixels[2].max()

    def test_deep_pixels_keep_white(self) -> None:
        """16 bits become 8 over the whole range."""
        deep = np.full((6, 6, 3), 65_535, np.uint16)
        deep[0, 0] = (0, 128, 129)
        picture = read(tiff(deep, photometric="rgb"), "a.tif")

        assert (255, [0, 0, 1]) == (picture.pixels[0, 1, 1], picture.pixels[:, 0, 0].tolist())


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "content", "code"),
        [
            ("a.png", pillow(np.zeros((5, 5, 3), np.uint8), "PNG"), "black_picture"),
            (
                "a.png",
                pillow(np.dstack([noise(5, 5, 3), np.zeros((5, 5), np.uint8)]), "PNG"),
                "black_picture",
            ),
            ("a.png", pillow(noise(2, 1025, 3), "PNG"), "too_many_pixels"),
            ("a.tif", tiff(noise(3, 8, 8), photometric="minisblack"), "planes_differ"),
            ("a.png", pillow(COLOUR, "PNG")[:60], "truncated_file"),
            ("a.tif", pillow(COLOUR, "PNG"), "mislabelled_file"),
            ("a.png", b"", "empty_file"),
        ],
    )
    def test_say_why(self, name: str, content: bytes, code: str) -> None:
        """What is no picture of a chromosome has its code."""
        with pytest.raises(UploadRejectedError) as refusal:
            read(content, name)

        assert code == refusal.value.code


class TestRoundTrip:
    @given(
        pixels=arrays.arrays(
            np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=6).map(lambda s: (*s, 4))
        )
    )
    @settings(max_examples=150, deadline=None)
    def test_what_was_read_is_written_and_read_again(self, pixels: NDArray[np.uint8]) -> None:
        """An exported crop comes back with the same pixels and mask, whatever the file was."""
        try:
            first = read(pillow(pixels, "PNG"))
        except UploadRejectedError:
            return
        again = read(crop_picture_png(first.pixels, first.mask))

        np.testing.assert_array_equal(first.pixels, again.pixels)
        np.testing.assert_array_equal(first.mask, again.mask)
