"""Variations of training canvases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.classification.augmentation import PAPER, Augmentation, EpochDraws, augment

EVERYTHING = Augmentation(
    flips=True,
    rotation_deg=180,
    crop_px=4,
    colour_swap=True,
    gain=1.0,
    background=0.2,
    blur_px=1.5,
    misregistration_px=2.0,
    noise=0.1,
)


@pytest.fixture
def canvases() -> torch.Tensor:
    """Eight chromosomes with a red and a green end, DAPI all over."""
    drawn = torch.zeros(8, 3, 32, 32)
    drawn[:, 0, 14:18, 8:16] = 0.8
    drawn[:, 1, 14:18, 16:24] = 0.6
    drawn[:, 2, 14:18, 8:24] = 0.5
    return drawn


def varied(
    canvases: torch.Tensor, augmentation: Augmentation, *, epoch: int = 0, seed: int = 1
) -> torch.Tensor:
    rows = np.arange(len(canvases))
    return augment(canvases.clone(), augmentation, EpochDraws(len(canvases), seed, epoch).of(rows))


class TestAugment:
    def test_of_nothing_changes_nothing(self, canvases: torch.Tensor) -> None:
        """The plain arm sees the crops themselves."""
        assert torch.equal(canvases, varied(canvases, Augmentation()))

    def test_follows_from_seed_epoch_and_crop_alone(self, canvases: torch.Tensor) -> None:
        """A crop looks the same in whatever batch it comes, and other crops look otherwise."""
        together = varied(canvases, EVERYTHING)
        rows = np.array([5, 2])
        apart = augment(canvases[rows], EVERYTHING, EpochDraws(8, 1, 0).of(rows))

        assert torch.allclose(together[[5, 2]], apart, atol=1e-6)
        assert not torch.allclose(together[0], together[1])
        assert not torch.allclose(together, varied(canvases, EVERYTHING, epoch=1))
        assert not torch.allclose(together, varied(canvases, EVERYTHING, seed=2))

    def test_stays_between_black_and_white(self, canvases: torch.Tensor) -> None:
        """A camera has nothing else."""
        result = varied(canvases, EVERYTHING)

        assert 0.0 <= result.min() <= result.max() <= 1.0

    def test_leaves_the_background_black(self, canvases: torch.Tensor) -> None:
        """Haze and noise lie over the chromosome; what is masked stays masked."""
        result = varied(canvases, Augmentation(background=0.3, noise=0.2))

        assert 0.0 == result[:, :, :10].max()
        assert not torch.equal(result, canvases)

    def test_flips_keep_every_value(self, canvases: torch.Tensor) -> None:
        """A mirror invents nothing, and all four views come up."""
        result = varied(canvases.repeat(4, 1, 1, 1), Augmentation(flips=True))

        assert torch.allclose(result.sum(dim=(2, 3)), canvases.repeat(4, 1, 1, 1).sum(dim=(2, 3)), atol=1e-3)
        red_left = (result[:, 0, :, :16].sum(dim=(1, 2)) > 1).tolist()
        assert {True, False} == set(red_left)

    def test_turns_keep_the_amount_of_paint(self, canvases: torch.Tensor) -> None:
        """Nothing leaves the canvas when a chromosome that fits the circle is turned."""
        result = varied(canvases, Augmentation(rotation_deg=180))

        assert torch.allclose(result.sum(dim=(2, 3)), canvases.sum(dim=(2, 3)), rtol=0.03)

    def test_swap_exchanges_red_and_green(self, canvases: torch.Tensor) -> None:
        """In about half of the draws, whole pictures at a time; DAPI stays."""
        result = varied(canvases.repeat(8, 1, 1, 1), Augmentation(colour_swap=True))
        swapped = [torch.equal(one[0], canvases[0, 1]) for one in result]

        assert 16 < sum(swapped) < 48
        assert all(torch.equal(one[2], canvases[0, 2]) for one in result)

    def test_misregistration_moves_colours_but_not_dapi(self, canvases: torch.Tensor) -> None:
        """By up to the given distance."""
        result = varied(canvases, Augmentation(misregistration_px=2.0))
        columns = torch.arange(32.0)
        centres = (result.sum(dim=2) * columns).sum(dim=2) / result.sum(dim=(2, 3))

        assert torch.allclose(result[:, 2], canvases[:, 2], atol=1e-5)
        assert 0.3 < (centres[:, 0] - 11.5).abs().max() < 2.05

    def test_gain_stays_within_its_bounds(self, canvases: torch.Tensor) -> None:
        """Between 1 / (1 + gain) and 1 + gain."""
        dim = canvases * 0.4
        ratio = (varied(dim, Augmentation(gain=1.0)) / dim)[:, [0, 2], 15, 12]

        assert 0.5 <= ratio.min() < 0.9
        assert 1.1 < ratio.max() <= 2.0

    def test_blur_spreads_and_keeps_the_sum(self, canvases: torch.Tensor) -> None:
        """Half of the crops stay sharp."""
        result = varied(canvases.repeat(4, 1, 1, 1), Augmentation(blur_px=1.5))
        peak = result[:, 0].amax(dim=(1, 2))

        assert torch.allclose(result.sum(dim=(2, 3)), canvases.repeat(4, 1, 1, 1).sum(dim=(2, 3)), rtol=0.01)
        assert 6 < int((peak > 0.799).sum()) < 26

    def test_the_papers_is_geometry_alone(self) -> None:
        """Flips, rotation and random crop (section 3.2 and appendix B.2)."""
        assert replace(PAPER, flips=False, rotation_deg=0, crop_px=0).is_none
        assert PAPER.moves
