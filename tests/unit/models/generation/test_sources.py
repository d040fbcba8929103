from __future__ import annotations

import numpy as np
import pytest

from models.generation.sources import Sources, generator_of


class TestGeneratorOf:
    def test_gives_the_same_noise_for_ever(self) -> None:
        """A sample can be made again from its row: seed, crop and number."""
        first = generator_of(7, "crop_a", 2).standard_normal(1000)

        assert np.array_equal(first, generator_of(7, "crop_a", 2).standard_normal(1000))
        assert 0.005011131515 == pytest.approx(first[0], abs=1e-11)

    def test_nothing_is_shared_between_samples(self) -> None:
        """Seed, crop and number each make another stream; they cannot be confused with each other."""
        keys = [(7, "crop_a", 2), (8, "crop_a", 2), (7, "crop_b", 2), (7, "crop_a", 3), (7, "2:crop_a", 2)]
        drawn = np.array([generator_of(*key).standard_normal(1000) for key in keys])
        correlation = np.corrcoef(drawn) - np.eye(len(keys))

        assert np.abs(correlation).max() < 0.15


class TestSources:
    def test_hands_out_a_generator_per_sample(self) -> None:
        """The order of the crops does not matter to any of them."""
        canvases, masks = np.zeros((2, 3, 4, 4), np.uint8), np.zeros((2, 4, 4), np.bool_)
        one = Sources(canvases, masks, ["a", "b"], [0, 1], seed=3).generators()
        other = Sources(canvases, masks, ["b", "a"], [1, 0], seed=3).generators()

        assert one[0].random() == other[1].random()
        assert one[1].random() == other[0].random()

    @pytest.mark.parametrize(
        ("canvases", "masks", "ids"),
        [
            (np.zeros((1, 2, 4, 4), np.uint8), np.zeros((1, 4, 4), np.bool_), ["a"]),
            (np.zeros((1, 3, 4, 4), np.float32), np.zeros((1, 4, 4), np.bool_), ["a"]),
            (np.zeros((1, 3, 4, 4), np.uint8), np.zeros((2, 4, 4), np.bool_), ["a"]),
            (np.zeros((1, 3, 4, 4), np.uint8), np.zeros((1, 4, 4), np.bool_), ["a", "b"]),
        ],
    )
    def test_refuses_arrays_that_do_not_belong_together(
        self, canvases: np.ndarray, masks: np.ndarray, ids: list[str]
    ) -> None:
        """A mix-up is noticed before anything is generated."""
        with pytest.raises(ValueError, match="must be"):
            Sources(canvases, masks, ids, [0] * len(ids))
