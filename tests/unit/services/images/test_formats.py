from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from services.images.errors import UploadRejectedError
from services.images.formats import inspect_source, read_picture
from services.images.limits import Budget, Limits
from tests.support.pictures import (
    COLOUR,
    GREY8,
    GREY16,
    HEIGHT,
    SOUND,
    THREE16,
    WIDTH,
    noise,
    ome_tiff,
    pillow,
    tiff,
)


def code_of(data: bytes, name: str, limits: Limits | None = None) -> str:
    with pytest.raises(UploadRejectedError) as caught:
        inspect_source(io.BytesIO(data), name, limits)
    return caught.value.code


def patched_directory(data: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF with one short or long entry of its first directory overwritten."""
    changed = bytearray(data)
    (at,) = struct.unpack_from("<I", changed, 4)
    (count,) = struct.unpack_from("<H", changed, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        if struct.unpack_from("<H", changed, entry)[0] == tag:
            struct.pack_into("<HHII", changed, entry, tag, 4, 1, value)
    return bytes(changed)


class TestReadPicture:
    @pytest.mark.parametrize(
        ("form", "expected"),
        [
            ("grey 8", GREY8[np.newaxis]),
            ("big endian 16", GREY16[np.newaxis]),
            ("lzw", GREY16[np.newaxis]),
            ("deflate strips", GREY8[np.newaxis]),
            ("tiles", GREY16[np.newaxis]),
            ("rgb", np.moveaxis(COLOUR, -1, 0)),
            ("separate rgb", np.moveaxis(COLOUR, -1, 0)),
            ("pages", THREE16),
            ("ome", THREE16),
            ("big tiff", GREY8[np.newaxis]),
            ("png 16", GREY16[np.newaxis]),
            ("png rgb", np.moveaxis(COLOUR, -1, 0)),
        ],
    )
    def test_pixels_survive(self, form: str, expected: NDArray[Any]) -> None:
        """Every lossless form gives back the pixels that were written, in native byte order."""
        name, data = SOUND[form]

        picture = read_picture(io.BytesIO(data), name)

        assert expected.dtype == picture.planes.dtype
        assert np.array_equal(expected, picture.planes)

    def test_jpeg_is_read_as_colour(self) -> None:
        """A JPEG gives three planes that resemble what was written."""
        smooth = np.repeat(
            np.linspace(0, 250, WIDTH, dtype=np.uint8)[np.newaxis, :, np.newaxis], HEIGHT, axis=0
        )

        picture = read_picture(io.BytesIO(pillow(smooth.repeat(3, axis=2), "JPEG")), "a.jpeg")

        assert (3, HEIGHT, WIDTH) == picture.planes.shape
        assert np.abs(picture.planes[0].astype(int) - smooth[..., 0]).max() < 10

    def test_exif_orientation_is_ignored(self) -> None:
        """A rotation tag does not turn the pixels, which stay in stored coordinates."""
        exif = Image.Exif()
        exif[274] = 6

        picture = read_picture(io.BytesIO(pillow(COLOUR, "JPEG", exif=exif)), "a.jpg")

        assert (3, HEIGHT, WIDTH) == picture.planes.shape

    def test_min_is_white_is_inverted(self) -> None:
        """A TIFF that stores ink gives light."""
        data = tiff(GREY8, photometric="miniswhite")

        picture = read_picture(io.BytesIO(data), "a.tif")

        assert np.array_equal(255 - GREY8, picture.planes[0])

    def test_alpha_is_dropped(self) -> None:
        """The fourth sample of an RGBA picture is no plane."""
        pixels = noise(HEIGHT, WIDTH, 4)

        png = read_picture(io.BytesIO(pillow(pixels, "PNG")), "a.png")
        tif = read_picture(io.BytesIO(tiff(pixels, photometric="rgb", extrasamples=["unassalpha"])), "a.tif")

        assert np.array_equal(np.moveaxis(pixels, -1, 0)[:3], png.planes)
        assert np.array_equal(png.planes, tif.planes)

    def test_thumbnail_pages_are_not_planes(self) -> None:
        """A reduced-resolution page in the chain is left out."""
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as writer:
            writer.write(GREY8, metadata=None)
            writer.write(GREY8[::4, ::4], metadata=None, subfiletype=1)

        picture = read_picture(io.BytesIO(buffer.getvalue()), "a.tif")

        assert np.array_equal(GREY8[np.newaxis], picture.planes)


class TestInspectSource:
    def test_ome_names_and_pixel_size(self) -> None:
        """Channel names and the physical pixel size, in any unit, come from the OME description."""
        data = ome_tiff(THREE16, ["DAPI", "Texas Red", "FITC"], PhysicalSizeX=65.0, PhysicalSizeXUnit="nm")

        info = inspect_source(io.BytesIO(data), "cell.ome.tif")

        assert ("DAPI", "Texas Red", "FITC") == info.channel_names
        assert pytest.approx(0.065) == info.pixel_size_um
        assert "ome-tiff" == info.format

    def test_imagej_unit_and_labels(self) -> None:
        """ImageJ's resolution and unit give the pixel size, its slice labels the names."""
        data = tiff(
            THREE16,
            imagej=True,
            resolution=(10.0, 10.0),
            metadata={"unit": "um", "axes": "CYX", "Labels": ["red", "green", "DAPI"]},
        )

        info = inspect_source(io.BytesIO(data), "cell.tif")

        assert pytest.approx(0.1) == info.pixel_size_um
        assert ("red", "green", "DAPI") == info.channel_names
        assert 16 == info.bit_depth

    def test_print_resolution_is_no_pixel_size(self) -> None:
        """72 dots per inch say nothing about a microscope."""
        data = tiff(GREY8, resolution=(72, 72), resolutionunit="inch")

        assert inspect_source(io.BytesIO(data), "a.tif").pixel_size_um is None

    def test_centimetre_resolution_is_a_pixel_size(self) -> None:
        """A plausible resolution per centimetre becomes micrometres."""
        data = tiff(GREY8, resolution=(100_000, 100_000), resolutionunit="centimeter")

        assert pytest.approx(0.1) == inspect_source(io.BytesIO(data), "a.tif").pixel_size_um

    def test_grey_saved_as_rgb_is_recognised(self) -> None:
        """Three identical planes are reported as such."""
        info = inspect_source(io.BytesIO(pillow(GREY8[..., np.newaxis].repeat(3, axis=2), "PNG")), "a.png")

        assert info.identical_planes
        assert (0,) == info.distinct_planes

    @pytest.mark.parametrize(
        ("name", "data", "expected"),
        [
            ("a.tif", b"", "empty_file"),
            ("a.tif", pillow(GREY8, "PNG"), "mislabelled_file"),
            ("a.png", tiff(GREY8), "mislabelled_file"),
            ("a.jpg", b"hello, this is text", "mislabelled_file"),
            ("a.csv", b"hello, this is text", "unsupported_format"),
            ("a.czi", b"ZISRAWFILE......", "unsupported_format"),
            ("a.lsm", tiff(GREY8), "unsupported_format"),
            ("a.tif", tiff(GREY8.astype(np.float32)), "unsupported_pixel_type"),
            ("a.tif", tiff(GREY8.astype(np.uint32)), "unsupported_pixel_type"),
            ("a.tif", tiff(GREY8.astype(np.int16)), "unsupported_pixel_type"),
            ("a.tif", tiff(GREY8 > 9, photometric="minisblack"), "unsupported_pixel_type"),
            (
                "a.tif",
                tiff(GREY8, photometric="palette", colormap=np.zeros((3, 256), np.uint16)),
                "unsupported_pixel_type",
            ),
            ("a.tif", tiff(noise(HEIGHT, WIDTH, 4), photometric="separated"), "unsupported_pixel_type"),
            ("a.tif", tiff(COLOUR, photometric="rgb", compression="jpeg"), "unsupported_compression"),
            ("a.tif", tiff(noise(2, HEIGHT, WIDTH, 3), photometric="rgb"), "ambiguous_channels"),
            ("a.tif", tiff(noise(33, 8, 8), photometric="minisblack"), "too_many_planes"),
        ],
    )
    def test_refusals(self, name: str, data: bytes, expected: str) -> None:
        """Each kind of unusable file has its own code."""
        assert expected == code_of(data, name)

    def test_palette_and_bilevel_png_are_refused(self) -> None:
        """Pillow would decode them, but their numbers are no brightness."""
        palette, bilevel = io.BytesIO(), io.BytesIO()
        Image.fromarray(GREY8).convert("P", palette=Image.Palette.ADAPTIVE).save(palette, "PNG")
        Image.fromarray(GREY8 > 9).save(bilevel, "PNG")

        assert "unsupported_pixel_type" == code_of(palette.getvalue(), "a.png")
        assert "unsupported_pixel_type" == code_of(bilevel.getvalue(), "a.png")

    def test_stacks_and_series_are_refused(self) -> None:
        """Focal planes and time points are told apart from channels."""
        stack = tiff(THREE16, ome=True, metadata={"axes": "ZYX"})
        series = tiff(THREE16, ome=True, metadata={"axes": "TYX"})
        hyperstack = tiff(noise(2, 3, 8, 8), imagej=True, metadata={"axes": "ZCYX"})
        movie = tiff(noise(3, 8, 8), imagej=True, metadata={"axes": "TYX"})

        assert ["z_stack", "time_series", "z_stack", "time_series"] == [
            code_of(data, "a.tif") for data in (stack, series, hyperstack, movie)
        ]

    def test_pages_of_different_size_are_refused(self) -> None:
        """A page of another size is no plane of the same image."""
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as writer:
            writer.write(GREY8, metadata=None)
            writer.write(GREY8[:20], metadata=None)

        assert "planes_differ" == code_of(buffer.getvalue(), "a.tif")

    def test_limits_are_checked_from_the_header(self) -> None:
        """Huge claims are refused without being decoded."""
        wide = patched_directory(patched_directory(tiff(GREY8), 256, 100_000), 257, 100_000)
        png = bytearray(pillow(GREY8, "PNG"))
        struct.pack_into(">II", png, 16, 100_000, 100_000)

        assert "too_many_pixels" == code_of(wide, "a.tif")
        assert "too_many_pixels" == code_of(bytes(png), "a.png")
        assert "too_large" == code_of(tiff(GREY8), "a.tif", Limits(max_file_bytes=100))
        assert "too_many_pixels" == code_of(pillow(COLOUR, "JPEG"), "a.jpg", Limits(max_pixels=100))

    @pytest.mark.parametrize(
        ("data", "name", "cost_bytes"),
        [
            (tiff(GREY8), "a.tif", HEIGHT * WIDTH),
            (tiff(GREY16), "a.tif", 2 * HEIGHT * WIDTH),
            (pillow(GREY8, "PNG"), "a.png", HEIGHT * WIDTH),
            (pillow(GREY16, "PNG"), "a.png", 2 * HEIGHT * WIDTH),
            (pillow(COLOUR, "PNG"), "a.png", 3 * HEIGHT * WIDTH),
            (pillow(COLOUR, "JPEG"), "a.jpg", 3 * HEIGHT * WIDTH),
        ],
    )
    def test_a_budget_pays_for_every_decoded_byte(self, data: bytes, name: str, cost_bytes: int) -> None:
        """The last byte may be spent, and a file that costs one more is not decoded."""
        limits = Limits(budget=Budget(2 * cost_bytes - 1))
        inspect_source(io.BytesIO(data), name, limits)

        assert limits.budget == Budget(cost_bytes - 1)
        assert "batch_too_large" == code_of(data, name, limits)
        assert limits.budget == Budget(cost_bytes - 1)

    def test_damaged_pixels_cost_as_much_as_sound_ones(self) -> None:
        """Otherwise an archive of damaged files could be decoded for ever."""
        data = bytearray(pillow(noise(HEIGHT, WIDTH, 3), "PNG"))
        data[-30] ^= 255
        limits = Limits(budget=Budget(10 * HEIGHT * WIDTH))

        assert code_of(bytes(data), "a.png", limits) in {"corrupt_file", "truncated_file"}
        assert limits.budget == Budget(7 * HEIGHT * WIDTH)

    def test_circular_directories_are_refused(self) -> None:
        """A chain that returns to its start ends at once."""
        data = bytearray(tiff(GREY8))
        (at,) = struct.unpack_from("<I", data, 4)
        (count,) = struct.unpack_from("<H", data, at)
        struct.pack_into("<I", data, at + 2 + 12 * count, at)

        assert "corrupt_file" == code_of(bytes(data), "a.tif")

    def test_missing_strips_are_refused(self) -> None:
        """A strip of no bytes would silently become black rows."""
        data = patched_directory(tiff(GREY8), 279, 0)

        assert "truncated_file" == code_of(data, "a.tif")

    def test_ome_entities_are_refused(self) -> None:
        """An OME description that declares entities is an attack."""
        xml = '<?xml version="1.0"?><!DOCTYPE o [<!ENTITY a "b">]><OME><Image/></OME>'

        assert "corrupt_file" == code_of(tiff(GREY8, description=xml), "a.tif")

    def test_ome_in_several_files_is_refused(self) -> None:
        """Nothing that an uploaded file names is opened."""
        xml = (
            '<OME UUID="urn:uuid:1"><Image><Pixels SizeZ="1" SizeT="1"><TiffData IFD="0">'
            '<UUID FileName="other.tif">urn:uuid:2</UUID></TiffData></Pixels></Image></OME>'
        )

        assert "unsupported_format" == code_of(tiff(GREY8, description=xml), "a.tif")

    def test_messages_shorten_names(self) -> None:
        """A client's name appears in one bounded, printable line."""
        with pytest.raises(UploadRejectedError) as caught:
            inspect_source(io.BytesIO(b""), "x\n" * 500 + ".tif")

        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 250
