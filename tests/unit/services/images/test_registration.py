from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from services.errors import InvalidInputError
from services.images import registration
from services.images.channels import ChannelStack
from services.images.registration import estimate_shift, register, shift_plane

SAMPLES = Path(__file__).parents[4] / "samples"
# (dy, dx) of planes 3 and I of this metaphase, from the table of the image set.
RECORDED = {"red": (0.59, -0.69), "green": (-0.01, 3.11)}


def sample(channel: str, name: str = "P0704XY") -> NDArray[np.uint8]:
    return tifffile.imread(SAMPLES / f"{name}_{channel}.tif")


def moved(plane: NDArray[np.uint8], shift: tuple[float, float]) -> NDArray[np.uint8]:
    """A plane moved independently of the code under test, by linear interpolation."""
    values = ndimage.shift(plane.astype(np.float32), shift, order=1, mode="nearest")
    return np.rint(values).astype(np.uint8)


class TestEstimateShift:
    @pytest.mark.parametrize("shift", [(0.0, 0.0), (3.0, -7.0), (-1.4, 2.6), (18.0, 6.5), (-24.0, 24.0)])
    def test_known_shift_of_the_same_plane(self, shift: tuple[float, float]) -> None:
        """A moved copy of DAPI is brought back to within a quarter of a pixel."""
        dapi = sample("dapi")

        estimate = estimate_shift(dapi, moved(dapi, shift))

        assert estimate.reliable
        assert np.abs(np.add(estimate.shift_px, shift)).max() < 0.25

    @pytest.mark.parametrize("name", ["A230150", "V280162", "P0704XY", "V1801XY"])
    @pytest.mark.parametrize("channel", ["red", "green"])
    def test_painted_planes_move_with_their_shift(self, name: str, channel: str) -> None:
        """Adding a shift to a painted plane changes its estimate by that shift, on every sample."""
        dapi, plane = sample("dapi", name), sample(channel, name)

        before = estimate_shift(dapi, plane)
        after = estimate_shift(dapi, moved(plane, (5.5, -9.25)))

        assert before.reliable
        assert after.reliable
        assert np.abs(np.subtract(before.shift_px, after.shift_px) - (5.5, -9.25)).max() < 0.4

    def test_recorded_shifts_of_a_sample(self) -> None:
        """The estimates of P0704XY agree with the shifts that the set's tables record."""
        red = estimate_shift(sample("dapi"), sample("red"))
        green = estimate_shift(sample("dapi"), sample("green"))

        assert np.abs(np.subtract(red.shift_px, RECORDED["red"])).max() < 0.5
        assert np.abs(np.subtract(green.shift_px, RECORDED["green"])).max() < 0.5

    def test_planes_without_a_picture_are_unreliable(self) -> None:
        """Constant, noisy and tiny planes give no shift, and say so."""
        dapi = sample("dapi")
        noise = np.random.default_rng(0).poisson(20, dapi.shape).astype(np.uint8)

        for plane in (np.zeros_like(dapi), np.full_like(dapi, 255), noise):
            estimate = estimate_shift(dapi, plane)

            assert not estimate.reliable
            assert (0.0, 0.0) == estimate.shift_px
        assert not estimate_shift(dapi[:3, :3], dapi[:3, :3]).reliable

    def test_shift_beyond_the_bound_is_unreliable(self) -> None:
        """A peak outside the window is not mistaken for one inside."""
        dapi = sample("dapi")

        estimate = estimate_shift(dapi, moved(dapi, (20.0, 0.0)), max_shift_px=8)

        assert not estimate.reliable

    def test_blocks_agree_with_the_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A plane cut into blocks, as large ones are, gives nearly the same shift."""
        dapi, red = sample("dapi"), sample("red")
        whole = estimate_shift(dapi, red)
        monkeypatch.setattr(registration, "_BLOCK_PX", 300)

        blocks = estimate_shift(dapi, red)

        assert blocks.reliable
        assert np.abs(np.subtract(whole.shift_px, blocks.shift_px)).max() < 0.2

    def test_depth_does_not_matter(self) -> None:
        """The same picture in 16 bits has the same shift."""
        dapi, red = sample("dapi"), sample("red")

        wide = estimate_shift(dapi.astype(np.uint16) * 257, red.astype(np.uint16) * 257)

        assert np.abs(np.subtract(estimate_shift(dapi, red).shift_px, wide.shift_px)).max() < 0.05


class TestShiftPlane:
    def test_whole_pixels(self) -> None:
        """Content moves down and right, background comes in, nothing wraps around."""
        plane = np.full((60, 60), 7, np.uint16)
        plane[50:, 50:] = 40_000
        plane[20, 30] = 1_000

        shifted = shift_plane(plane, (15.0, 15.0))

        assert plane.dtype == shifted.dtype
        assert 1_000 == shifted[35, 45]
        assert (shifted[:14, :14] == 7).all()

    def test_no_shift_is_exact(self) -> None:
        """Without a shift the very bytes are kept, in a new array."""
        plane = sample("red")

        same = shift_plane(plane, (0.0, 0.0))

        assert np.array_equal(plane, same)
        assert not np.shares_memory(plane, same)

    def test_splines_stay_in_range(self) -> None:
        """Overshoot at hard edges is clipped, not wrapped to the other end of the range."""
        plane = np.zeros((40, 40), np.uint8)
        plane[10:30, 10:30] = 255

        shifted = shift_plane(plane, (0.5, 0.5))

        assert 255 == shifted[20, 20]
        assert shifted[3:8, 3:8].max() <= 2

    def test_bands_join_seamlessly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Shifting in bands gives what shifting at once gives."""
        plane = sample("red")
        whole = shift_plane(plane, (3.3, -2.7))
        monkeypatch.setattr(registration, "_BLOCK_PX", 100)

        bands = shift_plane(plane, (3.3, -2.7))

        assert np.abs(whole.astype(int) - bands.astype(int)).max() <= 1


class TestRegister:
    def test_planes_are_laid_on_dapi(self) -> None:
        """DAPI keeps its bytes, the others move by what is reported, type and order stay."""
        planes = [sample(channel) for channel in ("red", "green", "dapi")]
        stack = ChannelStack(np.stack(planes), ("red", "green", "dapi"), 8, None)

        result = register(stack)

        assert np.uint8 == result.pixels.dtype
        assert np.array_equal(planes[2], result.pixels[2])
        assert np.array_equal(shift_plane(planes[0], result.shifts_px["red"]), result.pixels[0])
        assert {"red": True, "green": True, "dapi": True} == result.reliable
        for index in (0, 1):
            left = estimate_shift(planes[2], result.pixels[index])
            assert np.abs(left.shift_px).max() < 0.2

    def test_an_empty_plane_stays(self) -> None:
        """A plane that shows nothing is kept as it is and reported."""
        pixels = np.stack([np.zeros_like(sample("dapi")), sample("dapi")])

        result = register(ChannelStack(pixels, ("red", "dapi"), 8, None))

        assert {"red": False, "dapi": True} == result.reliable
        assert (0.0, 0.0) == result.shifts_px["red"]
        assert np.array_equal(pixels, result.pixels)

    def test_dapi_is_needed(self) -> None:
        """Without DAPI there is nothing to lay the planes on."""
        stack = ChannelStack(np.zeros((1, 40, 40), np.uint8), ("red",), 8, None)

        with pytest.raises(InvalidInputError):
            register(stack)
