from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile

from services.errors import InvalidInputError
from services.images.channels import parse_channel_rule
from services.images.decoding import decode
from services.images.errors import PlaneOutOfRangeError, PlanesDifferError
from services.images.formats import inspect_source
from services.images.grouping import group_files
from services.images.layout import ChannelSource, Layout, plan_layout
from tests.support.pictures import HEIGHT, WIDTH, noise, ome_tiff, tiff

SAMPLES = Path(__file__).parents[4] / "samples"


class TestDecode:
    def test_samples_from_files_to_stack(self) -> None:
        """The bundled metaphases go through grouping, inspection, layout and decoding."""
        files = {path.name: path.read_bytes() for path in sorted(SAMPLES.glob("*.tif"))}
        rule = parse_channel_rule('{"dapi": "*_dapi.tif", "red": "*_red.tif", "green": "*_green.tif"}')
        infos = {name: inspect_source(io.BytesIO(data), name) for name, data in files.items()}

        stacks = {g.name: decode(files, plan_layout(g, infos, rule)) for g in group_files(files, rule)}

        assert {"A230150", "V280162", "P0704XY", "V1801XY"} == set(stacks)
        for name, stack in stacks.items():
            assert ("red", "green", "dapi") == stack.channels
            assert (3, 517, 645) == stack.pixels.shape
            assert np.array_equal(tifffile.imread(SAMPLES / f"{name}_red.tif"), stack.plane("red"))
            assert np.array_equal(tifffile.imread(SAMPLES / f"{name}_dapi.tif"), stack.plane("dapi"))

    def test_planes_are_put_in_channel_order(self) -> None:
        """Channels of an OME-TIFF are reordered to red, green, dapi and keep depth and pixel size."""
        pixels = noise(3, HEIGHT, WIDTH, dtype="uint16")
        data = ome_tiff(pixels, ["DAPI", "FITC", "Cy3"], PhysicalSizeX=0.1, PhysicalSizeXUnit="µm")
        (group,) = group_files(["a.ome.tif"], None)
        layout = plan_layout(group, {"a.ome.tif": inspect_source(io.BytesIO(data), "a.ome.tif")}, None)

        stack = decode({"a.ome.tif": data}, layout)

        assert np.array_equal(pixels[[2, 1, 0]], stack.pixels)
        assert (16, 0.1) == (stack.bit_depth, stack.pixel_size_um)

    def test_files_must_be_those_of_the_layout(self) -> None:
        """A missing file, another size and a missing plane are told apart."""
        data = {"a.tif": tiff(noise(HEIGHT, WIDTH))}

        def layout(file: str = "a.tif", height: int = HEIGHT, plane: int = 0) -> Layout:
            return Layout((ChannelSource("dapi", file, plane),), height, WIDTH, 8)

        with pytest.raises(InvalidInputError, match=r"b\.tif"):
            decode(data, layout(file="b.tif"))
        with pytest.raises(PlanesDifferError):
            decode(data, layout(height=HEIGHT + 1))
        with pytest.raises(PlaneOutOfRangeError):
            decode(data, layout(plane=1))
