"""ResNet-18 and the files it comes in."""

from __future__ import annotations

import io

import pytest
import torch

from models.classification import network
from models.state_files import WeightsError


def checkpoint(content: object) -> bytes:
    """Return what `torch.save` writes."""
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


class Surprise:
    """A class that no weights file may bring along."""


@pytest.fixture(scope="module")
def net() -> network.ResNet18:
    return network.build(seed=3)


class TestBuild:
    def test_follows_from_the_seed_alone(self, net: network.ResNet18) -> None:
        """Whatever was drawn before, and without disturbing what is drawn after."""
        torch.manual_seed(99)
        expected = torch.rand(1)
        torch.manual_seed(99)
        again = network.build(seed=3)

        assert expected == torch.rand(1)
        assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
        assert not torch.equal(net.conv1.weight, network.build(seed=4).conv1.weight)

    def test_features_are_what_the_last_layer_sees(self, net: network.ResNet18) -> None:
        """The embedding is the layer before the last."""
        images = torch.rand(2, 3, 64, 64)
        with torch.inference_mode():
            features = net.eval().features(images)

            assert (2, 512) == tuple(features.shape)
            assert torch.allclose(net.fc(features), net(images))


class TestBytes:
    def test_safetensors_come_back(self, net: network.ResNet18) -> None:
        """The same weights give the same bytes, and the other way round."""
        content = network.to_safetensors(net)

        assert content == network.to_safetensors(network.from_bytes(content))

    def test_half_precision_halves_the_size(self, net: network.ResNet18) -> None:
        """And loads as float32."""
        half = network.to_safetensors(net, half=True)

        assert len(half) < 23 * 1024**2 < len(network.to_safetensors(net))
        assert torch.float32 == network.from_bytes(half).conv1.weight.dtype

    def test_checkpoints_load_bare_wrapped_or_from_several_gpus(self, net: network.ResNet18) -> None:
        """Training scripts save them in their own ways."""
        state = net.state_dict()
        parallel = {f"module.{name}": tensor for name, tensor in state.items()}
        for content in (state, {"state_dict": state, "epoch": 7}, {"state_dict": parallel}):
            loaded = network.from_bytes(checkpoint(content))

            assert torch.equal(loaded.layer4[1].conv2.weight, net.layer4[1].conv2.weight)

    def test_counters_may_be_missing(self, net: network.ResNet18) -> None:
        """Old versions of torch did not store them."""
        state = {k: v for k, v in net.state_dict().items() if "num_batches_tracked" not in k}

        assert isinstance(network.from_bytes(checkpoint(state)), network.ResNet18)

    def test_nothing_in_a_file_is_run(self) -> None:
        """A pickle with a class of its own is refused."""
        with pytest.raises(WeightsError, match="Neither safetensors nor"):
            network.from_bytes(checkpoint(Surprise()))

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04K\x01.", b"no weights" * 100])
    def test_other_bytes_are_refused(self, content: bytes) -> None:
        """Whatever was uploaded by mistake."""
        with pytest.raises(WeightsError):
            network.from_bytes(content)


class TestStateDict:
    def test_a_missing_tensor_is_named(self, net: network.ResNet18) -> None:
        """So is one of a deeper network or another shape; numbers that are none are told too."""
        state = net.state_dict()
        missing = {k: v for k, v in state.items() if k != "layer3.0.conv1.weight"}
        deeper = state | {"layer1.2.conv1.weight": torch.zeros(64, 64, 3, 3)}
        wider = state | {"layer1.0.conv1.weight": torch.zeros(64, 64, 1, 1)}
        diverged = state | {"fc.bias": torch.tensor([0.0, float("nan")])}
        too_large = state | {"fc.bias": torch.tensor([0.0, 1e300], dtype=torch.float64)}
        impossible = state | {"bn1.running_var": torch.full((64,), -1.0)}
        for wrong, message in (
            (missing, "layer3.0.conv1.weight"),
            (deeper, "layer1.2.conv1.weight"),
            (wider, r"\(64, 64, 1, 1\)"),
            (diverged, "not finite"),
            (too_large, "not finite"),
            (impossible, "negative"),
            ({}, "fc.weight"),
        ):
            with pytest.raises(WeightsError, match=message):
                network.from_state_dict(wrong)


class TestNewHead:
    def test_thousand_classes_become_two(self, net: network.ResNet18) -> None:
        """Features stay, the head is drawn from the seed; two classes keep theirs."""
        many = network.build(1000, seed=5)
        two = network.with_new_head(many, seed=1)

        assert 2 == two.fc.out_features
        assert torch.equal(many.conv1.weight, two.conv1.weight)
        assert torch.equal(two.fc.weight, network.build(seed=1).fc.weight)
        assert net is network.with_new_head(net, seed=1)
