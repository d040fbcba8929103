"""Chromosomes drawn from nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.simulation.axis import axis_of
from models.simulation.chromosome import SCENE_PX, Build, draw_chromosome
from models.simulation.karyotype import KARYOTYPE


def mean_size(name: str, build: Build | None = None) -> tuple[float, float]:
    """Measured length and width of some chromosomes, as the mean."""
    measured = []
    for seed in range(8):
        drawn = draw_chromosome(np.random.default_rng(seed), build, name)
        length = axis_of(drawn.mask).length_px
        measured.append((length, np.count_nonzero(drawn.mask) / length))
    length, width = np.mean(measured, axis=0)
    return float(length), float(width)


class TestDrawChromosome:
    @pytest.mark.parametrize("name", ["1", "9", "21", "X"])
    def test_is_one_piece_within_its_scene(self, name: str) -> None:
        """Its outline never touches the frame."""
        for seed in range(12):
            mask = draw_chromosome(np.random.default_rng(seed), None, name).mask

            assert cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] == 2
            assert not mask[[0, -1]].any()
            assert not mask[:, [0, -1]].any()
            assert mask.shape == (SCENE_PX, SCENE_PX)

    def test_is_as_long_as_it_says(self) -> None:
        """Measured along its middle line, outline and all."""
        for seed in range(20):
            drawn = draw_chromosome(np.random.default_rng(seed), None, "3")

            assert axis_of(drawn.mask).length_px == pytest.approx(drawn.length_px, rel=0.2)

    def test_the_first_is_longer_than_the_last(self) -> None:
        """As in a karyogram, in the order of their sizes."""
        lengths = [mean_size(name)[0] for name in ("1", "7", "14", "21")]

        assert lengths == sorted(lengths, reverse=True)
        assert len(KARYOTYPE) == 24

    def test_follows_the_build_of_its_metaphase(self) -> None:
        """Short and thick, or long and thin."""
        usual, thick = mean_size("5"), mean_size("5", Build(length=0.7, width=1.3))

        assert thick[0] < 0.85 * usual[0]
        assert thick[1] > 1.15 * usual[1]

    def test_fades_towards_its_outline(self) -> None:
        """By about half, and goes on fading beyond."""
        drawn = draw_chromosome(np.random.default_rng(1), None, "2")
        depth = cv2.distanceTransform(drawn.mask.astype(np.uint8), cv2.DIST_L2, 5)
        rim, middle = (
            float(np.median(drawn.dapi[where])) for where in ((depth > 0) & (depth < 1.5), depth > 4)
        )

        assert 0.3 < rim / middle < 0.75
        assert drawn.dapi[0].max() < 0.01
        assert np.median(drawn.dapi[drawn.mask]) == pytest.approx(1.0)
