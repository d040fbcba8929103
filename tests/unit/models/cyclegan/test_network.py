"""The networks: sizes, what their layers compute, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from models.cyclegan import network
from models.cyclegan.network import Discriminator, Generator, GeneratorConfig, ResidualBlock
from models.state_files import WeightsError, read_state

TINY = GeneratorConfig(width=4, blocks=1)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class TestGenerator:
    @pytest.mark.parametrize("side", [24, 32, 36])
    def test_keeps_the_size(self, side: int) -> None:
        """Pictures in, pictures of the same size out, in the range of its last layer."""
        made = network.build_generator(TINY, seed=0)(torch.randn(1, 3, side, side))

        assert (1, 3, side, side) == made.shape
        assert 1.0 >= made.abs().max().item()

    def test_treats_pictures_apart(self, images: torch.Tensor) -> None:
        """Instance normalisation never looks at the neighbours in a batch."""
        net = network.build_generator(TINY, seed=0).eval()
        together = net(images)
        alone = torch.cat([net(image[None]) for image in images])

        torch.testing.assert_close(alone, together, rtol=0.0, atol=1e-5)

    def test_does_not_see_brightness(self, images: torch.Tensor) -> None:
        """A gain and an offset of a picture's channels vanish in the first normalisation.

        They do because edges are mirrored: padding with zeros would let the offset through.
        """
        net = network.build_generator(TINY, seed=0).eval()
        first = torch.nn.Sequential(*list(net.model)[:3])

        torch.testing.assert_close(first(images), first(images * 2.0 + 0.3), rtol=0.0, atol=1e-3)

    def test_starts_as_the_official_code_does(self) -> None:
        """Weights are N(0, 0.02), biases 0."""
        state = network.build_generator(GeneratorConfig(16, 2), seed=0).state_dict()
        weights = torch.cat([tensor.flatten() for name, tensor in state.items() if name.endswith("weight")])

        assert 0.02 == pytest.approx(weights.std().item(), rel=0.02)
        assert abs(weights.mean().item()) < 1e-3
        assert all(not tensor.any() for name, tensor in state.items() if name.endswith("bias"))

    def test_seed_decides_the_first_weights(self) -> None:
        """And the global generator of torch is left alone."""
        before = torch.random.get_rng_state()
        first, again, other = (
            network.to_safetensors(network.build_generator(TINY, seed=seed)) for seed in (1, 1, 2)
        )

        assert first == again
        assert first != other
        assert torch.equal(before, torch.random.get_rng_state())


class TestResidualBlock:
    def test_is_its_formula(self, images: torch.Tensor) -> None:
        """The skip, plus mirror, convolve, normalise, rectify, and once more without rectifying."""
        block = ResidualBlock(3)
        state = block.state_dict()
        hidden = images
        for name, activation in (("1", torch.relu), ("5", torch.nn.Identity())):
            mirrored = torch.cat([hidden[..., 1:2], hidden, hidden[..., -2:-1]], dim=3)
            mirrored = torch.cat([mirrored[:, :, 1:2], mirrored, mirrored[:, :, -2:-1]], dim=2)
            hidden = functional.conv2d(
                mirrored, state[f"conv_block.{name}.weight"], state[f"conv_block.{name}.bias"]
            )
            mean = hidden.mean(dim=(2, 3), keepdim=True)
            variance = hidden.var(dim=(2, 3), keepdim=True, correction=0)
            hidden = activation((hidden - mean) / (variance + 1e-5).sqrt())

        torch.testing.assert_close(images + hidden, block(images), rtol=1e-4, atol=1e-5)


class TestDiscriminator:
    @pytest.mark.parametrize(("side", "patches"), [(24, 1), (32, 2), (64, 6), (256, 30)])
    def test_judges_patches(self, side: int, patches: int) -> None:
        """One judgement per patch, every eight pixels; 30 x 30 of 256 px, as in the paper."""
        judged = network.build_discriminator(2, seed=0)(torch.randn(1, 3, side, side))

        assert (1, 1, patches, patches) == judged.shape

    def test_a_patch_has_70_pixels(self) -> None:
        """A judgement depends on 70 x 70 pixels, if normalisation does not carry more to it."""
        layers = [layer for layer in Discriminator(2).model if not isinstance(layer, torch.nn.InstanceNorm2d)]
        image = torch.zeros(1, 3, 128, 128, requires_grad=True)
        torch.nn.Sequential(*layers)(image)[0, 0, 7, 7].backward()
        assert image.grad is not None
        touched = image.grad[0].abs().sum(dim=0) > 0
        rows, columns = touched.any(dim=1).nonzero(), touched.any(dim=0).nonzero()

        assert 70 == rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1

    def test_has_channels(self) -> None:
        """A width of nothing is refused."""
        with pytest.raises(ValueError, match="width is 0"):
            Discriminator(0)


class TestGeneratorConfig:
    def test_comes_back_from_a_manifest(self) -> None:
        """What is needed to build the network again."""
        assert GeneratorConfig.from_json(TINY.to_json()) == TINY

    @pytest.mark.parametrize("config", [{"width": 0}, {"blocks": 0}])
    def test_refuses_nothing(self, config: dict[str, int]) -> None:
        """The message names both numbers."""
        with pytest.raises(ValueError, match="must be positive"):
            GeneratorConfig(**config)


class TestBlocksFor:
    @pytest.mark.parametrize(("side", "blocks"), [(64, 6), (124, 6), (128, 9), (256, 9)])
    def test_follows_the_authors(self, side: int, blocks: int) -> None:
        """Nine, and six on small canvases."""
        assert blocks == network.blocks_for(side)


class TestCheckSide:
    @pytest.mark.parametrize("side", [20, 30])
    def test_refuses_what_the_networks_cannot_take(self, side: int) -> None:
        """Before hours of training."""
        with pytest.raises(ValueError, match=f"canvas_px is {side}"):
            network.check_side(side)


class TestFromStateDict:
    def test_gives_back_the_network(self) -> None:
        """Size and weights; stored in half, they are nearly the same."""
        net = network.build_generator(TINY, seed=3)
        whole = network.from_state_dict(read_state(network.to_safetensors(net)))
        half = network.from_state_dict(read_state(network.to_safetensors(net, half=True)))

        assert net.config == whole.config == half.config
        assert network.to_safetensors(net) == network.to_safetensors(whole)
        torch.testing.assert_close(
            net.model[1].weight, half.model[1].weight, rtol=1e-3, atol=1e-5, check_dtype=True
        )

    def test_damaged_weights_are_refused(self) -> None:
        """Each with what is wrong."""
        state = Generator(TINY).state_dict()
        missing = {name: tensor for name, tensor in state.items() if name != "model.14.bias"}
        diverged = state | {"model.18.bias": torch.full((3,), torch.nan)}
        reshaped = state | {"model.18.bias": torch.zeros(4)}
        for damaged, message in (
            (missing, "'model.14.bias' is missing or too many"),
            (state | {"extra": torch.zeros(1)}, "'extra' is missing or too many"),
            (reshaped, "has shape"),
            (diverged, "not finite"),
            ({"fc.weight": torch.zeros(2, 2)}, "not a ResNet generator"),
        ):
            with pytest.raises(WeightsError, match=message):
                network.from_state_dict(damaged)
