from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from models.segmentation import network, segmenter
from models.segmentation.errors import (
    DeviceUnavailableError,
    InvalidImageError,
    InvalidParamsError,
    NetworkOutputError,
    SegmentationError,
)
from models.segmentation.metrics import count_matches, overlap_of
from models.segmentation.normalisation import normalise
from models.segmentation.segmenter import CellposeSegmenter, SegmentationParams
from models.state_files import WeightsError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shipped(shipped_weights: bytes) -> CellposeSegmenter:
    """The segmenter as it is delivered."""
    return CellposeSegmenter(shipped_weights, CPU)


@pytest.fixture(scope="module")
def corner(sample_dapi: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A piece of a bundled metaphase with a dozen chromosomes."""
    return np.ascontiguousarray(sample_dapi[150:290, 200:345])


@pytest.fixture(scope="module")
def plain_cellpose(shipped_weights: bytes) -> Callable[[NDArray[np.uint8]], NDArray[np.int32]]:
    """`CellposeModel.eval` with the same weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch, while cellpose.core is imported
        from benchmarks.segmentation.plain_cellpose import (  # noqa: PLC0415 - its import warns
            plain_masks,
            plain_model,
        )
    model = plain_model(shipped_weights)

    def masks(dapi: NDArray[np.uint8]) -> NDArray[np.int32]:
        with torch.sparse.check_sparse_tensor_invariants(enable=False):
            return plain_masks(model, dapi)

    return masks


class TestSegment:
    def test_finds_chromosomes_in_a_real_image(
        self, shipped: CellposeSegmenter, corner: NDArray[np.uint8]
    ) -> None:
        """A real piece gives instances that agree with the masks, and names the weights."""
        result = shipped.segment(corner)

        assert result.masks.shape == corner.shape
        assert len(result.instances) >= 5
        assert [i.label for i in result.instances] == list(range(1, int(result.masks.max()) + 1))
        assert [i.area_px for i in result.instances] == np.bincount(result.masks.ravel())[1:].tolist()
        assert result.weights_sha256 == shipped.weights_sha256
        assert result.diameter_px == pytest.approx(26.0)

    def test_same_input_gives_the_same_result(
        self, shipped: CellposeSegmenter, corner: NDArray[np.uint8]
    ) -> None:
        """Nothing is left to chance or to what was segmented before."""
        first = shipped.segment(corner)
        shipped.segment(corner[::-1, :80])

        second = shipped.segment(corner)

        np.testing.assert_array_equal(first.masks, second.masks)
        assert first.instances == second.instances

    def test_bit_depth_does_not_matter(self, shipped: CellposeSegmenter, corner: NDArray[np.uint8]) -> None:
        """The same picture in 16 bits gives the same masks."""
        expected = shipped.segment(corner).masks

        actual = shipped.segment(corner.astype(np.uint16) * 256).masks

        assert np.mean(expected != actual) < 0.001

    def test_agrees_with_plain_cellpose(
        self,
        shipped: CellposeSegmenter,
        plain_cellpose: Callable[[NDArray[np.uint8]], NDArray[np.int32]],
        corner: NDArray[np.uint8],
    ) -> None:
        """Before crossings are split and nuclei removed, the masks are `CellposeModel.eval`'s."""
        expected = plain_cellpose(corner)

        masks, flow_errors = shipped.raw_masks(corner, shipped.default_diameter_px, 0.0)

        filled = np.zeros_like(masks)
        for label, error in flow_errors.items():
            if error <= 0.4:
                filled[ndimage.binary_fill_holes(masks == label)] = label
        counts = count_matches(overlap_of(expected, filled), 0.9)
        disagreeing = np.mean((expected > 0) != (filled > 0))
        assert counts.false_positives + counts.false_negatives <= 1  # an error right at the threshold
        assert disagreeing < 0.005

    def test_windows_change_little(
        self, shipped: CellposeSegmenter, corner: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An image cut into windows gives the objects that it gives in one go, none cut or doubled."""
        whole = shipped.segment(corner)
        monkeypatch.setattr(segmenter, "WINDOW_PX", 240)

        tiled = shipped.segment(corner)

        counts = count_matches(overlap_of(whole.masks, tiled.masks), 0.5)
        assert counts.average_precision > 0.7
        assert abs(len(whole.instances) - len(tiled.instances)) <= 0.15 * len(whole.instances)

    def test_large_magnification_is_followed_by_the_diameter(
        self, shipped: CellposeSegmenter, corner: NDArray[np.uint8]
    ) -> None:
        """At three times the size, with the diameter to match, the same chromosomes are found."""
        expected = shipped.segment(corner).masks
        large = np.asarray(ndimage.zoom(corner, 3, order=1))

        actual = shipped.segment(large, SegmentationParams(diameter_px=78.0)).masks[1::3, 1::3]

        counts = count_matches(overlap_of(expected, actual), 0.6)
        assert counts.average_precision > 0.7

    @pytest.mark.parametrize("shape", [(1, 1), (5, 300), (40, 50)])
    @pytest.mark.parametrize("value", [0, 7, 65535])
    def test_constant_image_has_no_instances(
        self, shipped: CellposeSegmenter, shape: tuple[int, int], value: int
    ) -> None:
        """An empty field is a result without chromosomes, not an error or a warning."""
        result = shipped.segment(np.full(shape, value, np.uint16))

        assert result.instances == ()
        assert result.masks.max() == 0

    def test_noise_gives_no_chromosomes(
        self, shipped: CellposeSegmenter, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Camera noise alone is not segmented, and Cellpose's chatter stays silent."""
        noise = np.random.default_rng(0).normal(100.0, 3.0, (120, 150)).astype(np.uint16)

        result = shipped.segment(noise)

        assert len(result.instances) <= 1
        assert caplog.records == []

    def test_untrained_network_is_no_crash(self, tiny_weights: bytes, corner: NDArray[np.uint8]) -> None:
        """Whatever a network puts out, the result is consistent."""
        result = CellposeSegmenter(tiny_weights, CPU).segment(corner)

        assert len(result.instances) == int(result.masks.max())

    @pytest.mark.parametrize(
        "image",
        [
            np.zeros((0, 5), np.uint8),
            np.zeros((3, 4, 5), np.uint8),
            np.full((4, 4), np.nan, np.float32),
            np.zeros((4, 4), np.complex64),
            np.zeros((4, 4), np.bool_),
        ],
        ids=["empty", "three axes", "NaN", "complex", "bool"],
    )
    def test_other_arrays_are_refused(self, shipped: CellposeSegmenter, image: NDArray[np.generic]) -> None:
        """An array that is no plane is an error with a code."""
        with pytest.raises(InvalidImageError) as caught:
            shipped.segment(image)

        assert caught.value.code == "invalid_image"

    def test_image_beyond_the_limit_is_refused(
        self, shipped: CellposeSegmenter, corner: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """More pixels than memory is planned for are an error."""
        monkeypatch.setattr(segmenter, "MAX_PIXELS", 100)

        with pytest.raises(InvalidImageError, match="at most 100"):
            shipped.segment(corner)

    def test_damaged_weights_are_noticed(self, tiny_weights: bytes, corner: NDArray[np.uint8]) -> None:
        """A network that returns NaN is an error, not an image without chromosomes."""
        net = network.from_bytes(tiny_weights)
        net.output[2].bias.data.fill_(float("nan"))
        damaged = CellposeSegmenter(network.to_safetensors(net), CPU)

        with pytest.raises(NetworkOutputError) as caught:
            damaged.segment(corner)

        assert caught.value.code == "network_output_invalid"


class TestFields:
    def test_do_not_depend_on_the_batch(
        self, shipped: CellposeSegmenter, sample_dapi: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """How many tiles run at once changes nothing that matters."""
        image = normalise(sample_dapi[:150, :230])
        alone = shipped.fields(image)
        monkeypatch.setattr(segmenter, "TILES_PER_BATCH", {"cpu": 3})

        together = shipped.fields(image)

        np.testing.assert_allclose(alone, together, atol=1e-4)


class TestConstructor:
    def test_missing_gpu_is_an_error(self, tiny_weights: bytes) -> None:
        """Asking for CUDA without one never becomes the CPU in silence."""
        index = torch.cuda.device_count()

        with pytest.raises(DeviceUnavailableError) as caught:
            CellposeSegmenter(tiny_weights, torch.device("cuda", index))

        assert caught.value.code == "device_unavailable"

    def test_unknown_device_is_an_error(self, tiny_weights: bytes) -> None:
        """Devices that were never tried are refused."""
        with pytest.raises(DeviceUnavailableError, match="'cpu' or 'cuda'"):
            CellposeSegmenter(tiny_weights, torch.device("meta"))

    def test_other_bytes_are_no_weights(self) -> None:
        """Weights that do not load are refused at once."""
        with pytest.raises(WeightsError):
            CellposeSegmenter(b"none", CPU)


class TestSegmentationParams:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("diameter_px", 3.0),
            ("diameter_px", float("nan")),
            ("flow_threshold", -0.1),
            ("cellprob_threshold", 21.0),
            ("min_area_px", -1.0),
        ],
    )
    def test_out_of_range_is_refused_by_name(self, name: str, value: float) -> None:
        """A value that cannot be meant is an error which names the range."""
        with pytest.raises(InvalidParamsError, match=name):
            replace(SegmentationParams(), **{name: value})


class TestErrors:
    def test_each_has_its_own_code(self) -> None:
        """Codes are stable names that a client can tell apart."""
        classes = [SegmentationError, *SegmentationError.__subclasses__()]

        assert len({c.code for c in classes}) == len(classes) == 5
        assert all(c.title for c in classes)
