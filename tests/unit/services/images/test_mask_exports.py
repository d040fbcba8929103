from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import roifile
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from services.images.errors import UploadRejectedError
from services.images.limits import Limits
from services.images.mask_exports import imagej_rois_zip, masks_geojson, masks_tiff, read_masks
from tests.support.pictures import noise, pillow, tiff

SAMPLES = Path(__file__).parents[4] / "samples"
SMALL = arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3))


def sample_masks(name: str) -> NDArray[np.int32]:
    return tifffile.imread(SAMPLES / "masks" / f"{name}.tif")[0].astype(np.int32)


def filled(rings: list[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill rings of (x, y) corners by the even-odd rule, judging pixels by their centres."""
    inside = np.zeros(shape, bool)
    for ring in rings:
        inside ^= polygon2mask(shape, np.asarray(ring, float)[:, ::-1] - 0.5)
    return inside


def from_geojson(collection: dict, shape: tuple[int, int]) -> NDArray[np.int32]:
    masks = np.zeros(shape, np.int32)
    for feature in json.loads(json.dumps(collection))["features"]:
        geometry = feature["geometry"]
        parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        masks[filled([ring for part in parts for ring in part], shape)] = feature["properties"]["label"]
    return masks


def from_rois(data: bytes, shape: tuple[int, int]) -> NDArray[np.int32]:
    masks = np.zeros(shape, np.int32)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            roi = roifile.ImagejRoi.frombytes(archive.read(name))
            masks[filled(roi.coordinates(multi=True), shape)] = int(roi.name)
    return masks


def code_of(data: bytes, shape: tuple[int, int] = (20, 30)) -> str:
    with pytest.raises(UploadRejectedError) as caught:
        read_masks(data, shape)
    return caught.value.code


class TestMasksTiff:
    @pytest.mark.parametrize(("largest", "dtype"), [(65_535, np.uint16), (65_536, np.uint32)])
    def test_type_follows_the_largest_label(self, largest: int, dtype: type) -> None:
        """Labels are kept, in 16 bits while they fit and 32 beyond."""
        masks = np.zeros((20, 30), np.int32)
        masks[5:9, 5:9], masks[11:14, 3:8] = 2, largest

        written = tifffile.imread(io.BytesIO(masks_tiff(masks)))

        assert dtype == written.dtype
        assert np.array_equal(masks, written)

    def test_read_back(self) -> None:
        """What is exported can be uploaded as an annotation."""
        masks = sample_masks("P0704XY")

        again, overlaps = read_masks(masks_tiff(masks), masks.shape)

        assert np.array_equal(masks, again)
        assert overlaps is None


class TestMasksGeojson:
    @pytest.mark.parametrize("name", ["P0704XY", "V1801XY"])
    def test_real_masks_round_trip(self, name: str) -> None:
        """Polygons of a metaphase, filled again, give back every pixel."""
        masks = sample_masks(name)

        assert np.array_equal(masks, from_geojson(masks_geojson(masks), masks.shape))

    @given(masks=SMALL)
    @settings(max_examples=200, deadline=None)
    def test_any_masks_round_trip(self, masks: NDArray[np.int32]) -> None:
        """Holes, corners that touch and scattered parts all survive."""
        assert np.array_equal(masks, from_geojson(masks_geojson(masks), masks.shape))

    @given(masks=SMALL)
    @settings(max_examples=200, deadline=None)
    def test_rings_are_simple_and_oriented(self, masks: NDArray[np.int32]) -> None:
        """Rings are closed, visit no corner twice, run forward outside and backward around holes."""
        for feature in masks_geojson(masks)["features"]:
            geometry = feature["geometry"]
            multi = geometry["type"] == "MultiPolygon"
            for part in geometry["coordinates"] if multi else [geometry["coordinates"]]:
                for index, ring in enumerate(part):
                    corners = [tuple(vertex) for vertex in ring[:-1]]
                    (x, y), (next_x, next_y) = np.array(ring[:-1]).T, np.array(ring[1:]).T

                    assert ring[0] == ring[-1]
                    assert len(set(corners)) == len(corners)
                    assert (np.sum(x * next_y - next_x * y) > 0) == (index == 0)

    def test_hole_and_parts(self) -> None:
        """A ring-shaped instance has one hole, one in two pieces is a MultiPolygon."""
        masks = np.zeros((12, 12), np.int32)
        masks[1:6, 1:6], masks[3, 3] = 1, 0
        masks[8:10, 1:3], masks[8:10, 6:9] = 4, 4

        ring, pieces = masks_geojson(masks, {4: {"flags": ["touching"], "label": 99}})["features"]

        assert [[[1, 1], [6, 1], [6, 6], [1, 6], [1, 1]], [[3, 4], [4, 4], [4, 3], [3, 3], [3, 4]]] == (
            ring["geometry"]["coordinates"]
        )
        assert {"label": 1, "area_px": 24} == ring["properties"]
        assert "MultiPolygon" == pieces["geometry"]["type"]
        assert {"flags": ["touching"], "label": 4, "area_px": 10} == pieces["properties"]

    def test_no_instances(self) -> None:
        """Empty masks give an empty collection."""
        expected = {"type": "FeatureCollection", "features": []}

        assert expected == masks_geojson(np.zeros((5, 5), np.int32))

    def test_large_labels_cost_nothing(self) -> None:
        """A label of two billion is traced without a list of that length."""
        masks = np.zeros((5, 5), np.int32)
        masks[2, 2] = 2_000_000_000

        (feature,) = masks_geojson(masks)["features"]

        assert 2_000_000_000 == feature["id"]


class TestImagejRoisZip:
    @pytest.mark.parametrize("name", ["P0704XY", "V1801XY"])
    def test_real_masks_round_trip(self, name: str) -> None:
        """ROIs of a metaphase, read by roifile and filled, give back every pixel."""
        masks = sample_masks(name)

        assert np.array_equal(masks, from_rois(imagej_rois_zip(masks), masks.shape))

    @given(masks=SMALL)
    @settings(max_examples=100, deadline=None)
    def test_any_masks_round_trip(self, masks: NDArray[np.int32]) -> None:
        """Holes and parts survive as composite ROIs."""
        assert np.array_equal(masks, from_rois(imagej_rois_zip(masks), masks.shape))

    def test_same_masks_same_bytes(self) -> None:
        """The archive holds no clock, so that its sha256 can name it."""
        masks = sample_masks("P0704XY")

        assert imagej_rois_zip(masks) == imagej_rois_zip(masks.copy())


class TestReadMasks:
    def test_second_page_is_overlaps(self) -> None:
        """The masks of the samples carry instances and overlap regions."""
        data = (SAMPLES / "masks" / "A230150.tif").read_bytes()

        masks, overlaps = read_masks(data, (517, 645))

        assert np.int32 == masks.dtype
        assert overlaps is not None
        assert np.array_equal(tifffile.imread(io.BytesIO(data)), np.stack([masks, overlaps]))
        assert overlaps.any()

    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int32"])
    def test_integer_types(self, dtype: str) -> None:
        """Label images are read in any integer type up to 32 bits."""
        labels = np.zeros((20, 30), dtype)
        labels[3:8, 3:8] = 100

        masks, _ = read_masks(tiff(labels), (20, 30))

        assert np.array_equal(labels, masks)

    def test_png(self) -> None:
        """A grey PNG of labels is read."""
        labels = np.zeros((20, 30), np.uint16)
        labels[3:8, 3:8] = 300

        masks, overlaps = read_masks(pillow(labels, "PNG"), (20, 30))

        assert np.array_equal(labels, masks)
        assert overlaps is None

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"", "empty_file"),
            (b"no image at all", "unsupported_format"),
            (tiff(noise(21, 30)), "invalid_masks"),
            (tiff(np.zeros((20, 30), np.uint16)), "invalid_masks"),
            (tiff(np.full((20, 30), -1, np.int32)), "invalid_masks"),
            (tiff(np.full((20, 30), 2**32 - 1, np.uint32)), "invalid_masks"),
            (tiff(noise(3, 20, 30), photometric="minisblack"), "invalid_masks"),
            (tiff(noise(20, 30, 3), photometric="rgb"), "unsupported_pixel_type"),
            (tiff(np.ones((20, 30), np.float32)), "unsupported_pixel_type"),
            (pillow(noise(20, 30, 3), "PNG"), "invalid_masks"),
            (pillow(noise(20, 30), "JPEG"), "invalid_masks"),
            (tiff(noise(20, 30))[:-100], "truncated_file"),
        ],
    )
    def test_refusals(self, data: bytes, expected: str) -> None:
        """Everything that is no label image of this size has a code."""
        assert expected == code_of(data)

    def test_pictures_are_told_from_labels(self) -> None:
        """More labels than any slide has instances means that a picture was sent."""
        picture = np.arange(160 * 150, dtype=np.uint16).reshape(160, 150)

        assert "invalid_masks" == code_of(tiff(picture), (160, 150))

    def test_size_limit(self) -> None:
        """The byte limit holds for annotations too."""
        with pytest.raises(UploadRejectedError) as caught:
            read_masks(tiff(noise(20, 30)), (20, 30), Limits(max_file_bytes=100))

        assert "too_large" == caught.value.code
