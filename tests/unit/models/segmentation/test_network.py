from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from cellpose.resnet_torch import CPnet

from models.segmentation import network
from models.segmentation.network import NetworkSpec
from models.state_files import WeightsError, sha256_of

TINY = NetworkSpec(channels=(2, 2, 2, 4), diam_mean_px=20.0)


def checkpoint_of(state: object) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


class TestFromBytes:
    def test_round_trip_keeps_width_diameters_and_weights(self) -> None:
        """A network of any width comes back from safetensors as it was."""
        net = network.build(TINY)
        net.diam_labels.data.fill_(17.0)

        loaded = network.from_bytes(network.to_safetensors(net))

        assert network.spec_of(loaded) == TINY
        assert loaded.diam_labels.item() == 17.0
        assert all(torch.equal(net.state_dict()[k], v) for k, v in loaded.state_dict().items())

    def test_same_weights_give_the_same_bytes(self) -> None:
        """Serialising twice gives one sha256, so a manifest can name it."""
        net = network.build(TINY)

        first, second = network.to_safetensors(net), network.to_safetensors(net)

        assert sha256_of(first) == sha256_of(second)

    def test_official_checkpoint_loads(self) -> None:
        """A state dict saved by Cellpose itself, at the official width, is read with its values."""
        official = CPnet([2, 32, 64, 128, 256], 3, 3, diam_mean=30.0)

        loaded = network.from_bytes(checkpoint_of(official.state_dict()))

        assert network.spec_of(loaded) == NetworkSpec()
        assert torch.equal(loaded.output[2].weight, official.output[2].weight)

    def test_older_checkpoint_without_diameters_loads(self) -> None:
        """Checkpoints of Cellpose 1 carry no diameters; 30 px is what they meant."""
        state = network.build(TINY).state_dict()
        del state["diam_mean"], state["diam_labels"]

        loaded = network.from_bytes(checkpoint_of(dict(state)))

        assert loaded.diam_mean.item() == 30.0

    def test_cellpose_4_is_refused_by_name(self) -> None:
        """Cellpose-SAM weights are another network, and the message says so."""
        content = safetensors.torch.save({"W2": torch.zeros(1)})

        with pytest.raises(WeightsError, match="Cellpose 4"):
            network.from_bytes(content)

    def test_pickle_with_code_is_refused_and_not_run(self, tmp_path: Path) -> None:
        """A checkpoint that would run code when unpickled is an error, and runs nothing."""
        marker = tmp_path / "ran"

        class Evil:
            def __reduce__(self) -> tuple[object, ...]:
                return (Path.touch, (marker,))

        with pytest.raises(WeightsError):
            network.from_bytes(checkpoint_of({"weights": Evil()}))

        assert not marker.exists()

    @pytest.mark.parametrize(
        "content", [b"", b"no weights", pickle.dumps([1, 2], protocol=2), b"PK\x03\x04" + bytes(50)]
    )
    def test_other_bytes_are_refused(self, content: bytes) -> None:
        """Whatever is no checkpoint is a WeightsError with the stable code."""
        with pytest.raises(WeightsError) as caught:
            network.from_bytes(content)

        assert caught.value.code == "weights_invalid"

    def test_missing_tensor_is_named(self) -> None:
        """A network that lacks a tensor is refused and the message names one."""
        state = dict(network.build(TINY).state_dict())
        del state["output.0.bias"]

        with pytest.raises(WeightsError, match=r"output\.0\.bias"):
            network.from_bytes(safetensors.torch.save(state))

    def test_wrong_shape_is_refused(self) -> None:
        """A tensor of another shape is refused, not broadcast."""
        state = dict(network.build(TINY).state_dict())
        state["output.0.bias"] = torch.zeros(99)

        with pytest.raises(WeightsError, match="shapes"):
            network.from_bytes(safetensors.torch.save(state))

    def test_network_with_other_outputs_is_refused(self) -> None:
        """A restoration network (one output) is no segmenter."""
        state = dict(CPnet([2, 2, 2, 2, 4], 1, 3).state_dict())

        with pytest.raises(WeightsError, match="1 outputs"):
            network.from_bytes(safetensors.torch.save(state))

    @pytest.mark.parametrize("width", [0, 5000])
    def test_network_beyond_its_tensors_is_refused(self, width: int) -> None:
        """The width is told by one tensor for each level: it cannot ask for a network of any size."""
        state = network.build(TINY).state_dict()
        state["downsample.down.res_down_3.conv.conv_0.2.weight"] = torch.zeros(width, 1, 1, 1)

        with pytest.raises(WeightsError, match="channels do not go with the tensors"):
            network.from_bytes(checkpoint_of(state))

    def test_width_of_a_lone_number_is_refused(self) -> None:
        """A tensor without dimensions has no width."""
        state = network.build(TINY).state_dict()
        state["output.2.weight"] = torch.tensor(3.0)

        with pytest.raises(WeightsError, match="no width"):
            network.from_bytes(checkpoint_of(state))

    def test_checkpoint_of_a_list_is_refused(self) -> None:
        """A PyTorch file that holds something else than named tensors is refused."""
        with pytest.raises(WeightsError, match="plain dictionary"):
            network.from_bytes(checkpoint_of([torch.zeros(2)]))


class TestBuild:
    def test_network_has_three_outputs_of_the_size_of_its_input(self) -> None:
        """Flow y, flow x and foreground come out for each pixel."""
        net = network.build(TINY).eval()

        with torch.inference_mode():
            output = net(torch.zeros(1, 2, 32, 48))[0]

        assert tuple(output.shape) == (1, 3, 32, 48)
        assert np.isfinite(output.numpy()).all()
