"""Checkpoints of the official code: read, written, and other networks told apart."""

from __future__ import annotations

import io

import pytest
import torch

from models.cyclegan import network, official
from models.cyclegan.network import Generator, GeneratorConfig
from models.state_files import WeightsError

SIZE = GeneratorConfig(width=4, blocks=2)


def pth(state: dict[str, torch.Tensor]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return dict(network.build_generator(SIZE, seed=0).state_dict())


class TestFromBytes:
    @pytest.mark.parametrize("config", [SIZE, GeneratorConfig(6, 9)])
    def test_tells_the_size_from_the_shapes(self, config: GeneratorConfig) -> None:
        """Nothing but the file is needed."""
        net, found = official.from_bytes(pth(Generator(config).state_dict()))

        assert config == found == net.config

    def test_keeps_the_weights(self, state: dict[str, torch.Tensor]) -> None:
        """Bit by bit, also of networks that were trained on several GPUs."""
        plain, _ = official.from_bytes(pth(state))
        parallel, _ = official.from_bytes(pth({f"module.{name}": tensor for name, tensor in state.items()}))

        for net in (plain, parallel):
            assert all(torch.equal(state[name], tensor) for name, tensor in net.state_dict().items())

    def test_drops_the_statistics_of_old_checkpoints(self, state: dict[str, torch.Tensor]) -> None:
        """Instance normalisation kept them, and did not use them."""
        old = dict(state)
        for layer in ("model.2", "model.10.conv_block.2", "model.10.conv_block.6"):
            old |= {f"{layer}.running_mean": torch.ones(4), f"{layer}.running_var": torch.full((4,), 9.0)}
            old[f"{layer}.num_batches_tracked"] = torch.tensor(7)
        net, _ = official.from_bytes(pth(old))

        assert list(state) == list(net.state_dict())

    def test_other_networks_are_refused_with_advice(self, state: dict[str, torch.Tensor]) -> None:
        """What it is, and what is wanted."""
        judge = dict(network.build_discriminator(4, seed=0).state_dict())
        dropout = {name.replace("conv_block.5", "conv_block.6"): t for name, t in state.items()}
        for wrong, message in (
            (judge, "This is a discriminator.*latest_net_G_A.pth"),
            ({"model.model.0.weight": torch.zeros(4, 3, 4, 4)}, "U-Net generator.*--netG resnet_9blocks"),
            (state | {"model.2.weight": torch.ones(4)}, "batch normalisation"),
            (dropout, "--no_dropout"),
            (state | {"model.1.weight": torch.zeros(4, 1, 7, 7)}, "3 channels of 1;.*--input_nc 3"),
            (
                state | {"model.19.weight": torch.zeros(1, 4, 7, 7), "model.19.bias": torch.zeros(1)},
                "makes 1 channels of 3;.*--output_nc 3",
            ),
            ({"conv1.weight": torch.zeros(4, 3, 7, 7)}, "no tensor 'model.1.weight'"),
        ):
            with pytest.raises(WeightsError, match=message):
                official.from_bytes(pth(wrong))

    def test_what_is_no_checkpoint_is_refused(self) -> None:
        """Without running anything in it."""
        with pytest.raises(WeightsError, match="Neither safetensors nor a PyTorch checkpoint"):
            official.from_bytes(b"GIF89a, a picture that somebody took for a checkpoint")


class TestToOfficial:
    def test_is_a_plain_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """That the official code's `load_state_dict` takes."""
        content = official.to_official(network.to_safetensors(network.build_generator(SIZE, seed=0)))
        written = torch.load(io.BytesIO(content), weights_only=True)

        assert list(state) == list(written)
        assert all(torch.equal(state[name], tensor) for name, tensor in written.items())

    def test_comes_back(self) -> None:
        """There and back, nothing changes."""
        weights = network.to_safetensors(network.build_generator(SIZE, seed=1))
        net, _ = official.from_bytes(official.to_official(weights))

        assert weights == network.to_safetensors(net)

    def test_other_weights_are_refused(self) -> None:
        """Nobody is handed a file that the official code cannot load."""
        with pytest.raises(WeightsError, match="not a ResNet generator"):
            official.to_official(network.to_safetensors(network.build_discriminator(4, seed=0)))
