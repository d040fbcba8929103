"""The losses, against the formulas written out one call at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.cyclegan.config import CycleganConfig
from models.cyclegan.data import CycleganData, UnpairedBatch
from models.cyclegan.losses import CycleganNetworks, adversarial, discriminator_loss, generator_losses


@pytest.fixture
def batch(aberrations: NDArray[np.uint8]) -> UnpairedBatch:
    return CycleganData(aberrations, seed=0).batch(0, 3)


@pytest.fixture
def nets(small: CycleganConfig) -> CycleganNetworks:
    return CycleganNetworks(small, 32)


class TestAdversarial:
    @pytest.mark.parametrize(("wanted", "expected"), [(1.0, 0.75), (0.0, 0.75), (0.5, 0.5)])
    def test_is_the_mean_square(self, wanted: float, expected: float) -> None:
        """Least squares, by hand."""
        judgements = torch.tensor([-0.5, 0.5, 0.5, 1.5])

        assert expected == pytest.approx(adversarial(judgements, wanted).item())


class TestGeneratorLosses:
    def test_are_those_of_single_calls(
        self, nets: CycleganNetworks, batch: UnpairedBatch, small: CycleganConfig
    ) -> None:
        """Joined calls change nothing: each term as the reference code computes it."""
        config = replace(small, cycle_weight=7.0, identity_weight=0.25)
        losses = generator_losses(nets, batch, config)
        a, b = batch.dapi, batch.colours
        fake_b, fake_a = nets.to_colours(a), nets.to_dapi(b)
        expected = {
            "loss_gan_a": (nets.judge_dapi(fake_a) - 1).square().mean(),
            "loss_gan_b": (nets.judge_colours(fake_b) - 1).square().mean(),
            "loss_cycle_a": (nets.to_dapi(fake_b) - a).abs().mean(),
            "loss_cycle_b": (nets.to_colours(fake_a) - b).abs().mean(),
            "loss_identity_a": (nets.to_dapi(a) - a).abs().mean(),
            "loss_identity_b": (nets.to_colours(b) - b).abs().mean(),
        }
        weights = {"gan": 1.0, "cycle": 7.0, "identity": 7.0 * 0.25}
        total = sum(weights[name.split("_")[1]] * value for name, value in expected.items())

        assert list(expected) == list(losses.parts)
        torch.testing.assert_close(expected, losses.parts, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(total, losses.total, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(fake_b, losses.fake_b, rtol=1e-4, atol=1e-5)

    def test_identity_can_be_left_out(
        self, nets: CycleganNetworks, batch: UnpairedBatch, small: CycleganConfig
    ) -> None:
        """Then nothing is computed for it, and the rest stays."""
        with_it = generator_losses(nets, batch, small).parts
        without = generator_losses(nets, batch, replace(small, identity_weight=0.0)).parts

        assert 0.0 == without["loss_identity_a"].item() == without["loss_identity_b"].item()
        torch.testing.assert_close(with_it["loss_cycle_b"], without["loss_cycle_b"], rtol=1e-4, atol=1e-5)


class TestDiscriminatorLoss:
    def test_a_draw_costs_a_quarter(self) -> None:
        """Whoever judges 0.5 of everything pays 0.25."""
        images = torch.zeros(2, 3, 4, 4)
        loss, real, generated = discriminator_loss(torch.nn.Flatten(), images + 0.5, images + 0.5)

        assert (0.25, 0.5, 0.5) == (loss.item(), real.item(), generated.item())

    def test_knowing_costs_nothing(self) -> None:
        """1 of real, 0 of generated pictures."""
        images = torch.zeros(2, 3, 4, 4)
        loss, real, generated = discriminator_loss(torch.nn.Flatten(), images + 1.0, images)

        assert (0.0, 1.0, 0.0) == (loss.item(), real.item(), generated.item())


class TestCycleganNetworks:
    def test_no_two_start_alike(self, nets: CycleganNetworks) -> None:
        """Each has a seed of its own."""
        firsts = [nets.to_colours.model[1].weight, nets.to_dapi.model[1].weight]
        judges = [nets.judge_dapi.model[0].weight, nets.judge_colours.model[0].weight]

        assert not torch.equal(*firsts)
        assert not torch.equal(*judges)

    def test_parameters_are_shared_out(self, nets: CycleganNetworks) -> None:
        """Every parameter belongs to one optimiser."""
        assert len(list(nets.parameters())) == len(nets.generators()) + len(nets.discriminators())
