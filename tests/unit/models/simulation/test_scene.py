"""Simulated crops and what makes them hard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.simulation.colours import CARRIES
from models.simulation.difficulty import PRESETS, Difficulty
from models.simulation.scene import SimulatedCrop, Simulator, SlideCounts

PLAIN = replace(PRESETS["easy"], noise=0.0, slide_spread=0.0)


def crops_of(difficulty: Difficulty, crop_class: str = "normal", count: int = 30) -> list[SimulatedCrop]:
    """Some crops of one class, three a slide."""
    simulator = Simulator(difficulty, seed=1)
    wanted = SlideCounts(**{crop_class: 3})
    return list(simulator.crops({f"S{index}": wanted for index in range(count // 3)}))


def mean_of(measure: Callable[[SimulatedCrop], float], difficulty: Difficulty, crop_class: str) -> float:
    """Mean over some crops."""
    return float(np.mean([measure(crop) for crop in crops_of(difficulty, crop_class)]))


def paints(crop: SimulatedCrop) -> NDArray[np.float64]:
    """Median of red and green on the mask."""
    return np.asarray(np.median(crop.pixels[:2, crop.mask], axis=1))


class TestCrop:
    @pytest.mark.parametrize("crop_class", ["normal", "aberration", "unlabelled"])
    def test_depends_on_nothing_but_its_name(self, crop_class: str) -> None:
        """Alone, last or among others: the same bits."""
        among = crops_of(PRESETS["hard"], crop_class, 9)
        alone = Simulator(PRESETS["hard"], seed=1).crop("S2", among[0].crop_class, 1)

        np.testing.assert_array_equal(among[7].pixels, alone.pixels)
        np.testing.assert_array_equal(among[7].mask, alone.mask)
        assert among[7].truth == alone.truth

    def test_another_seed_slide_or_number_makes_another(self) -> None:
        """Each of them counts."""
        first = Simulator(seed=0).crop("S", "normal", 0)
        others = [
            Simulator(seed=1).crop("S", "normal", 0),
            Simulator(seed=0).crop("T", "normal", 0),
            Simulator(seed=0).crop("S", "normal", 1),
        ]

        assert all(first.pixels.tobytes() != other.pixels.tobytes() for other in others)

    def test_is_black_off_its_mask(self) -> None:
        """Like a crop cut along its outline."""
        for crop in crops_of(PRESETS["hard"], "aberration", 6):
            assert not crop.pixels[:, ~crop.mask].any()
            assert crop.pixels.dtype == np.uint8

    def test_a_normal_has_the_colour_it_tells(self) -> None:
        """Painted channels are brighter than the others."""
        for crop in crops_of(PLAIN):
            carried = np.array(CARRIES[crop.truth.colour])
            levels = paints(crop)

            assert levels[carried].min() > 70
            assert carried.all() or levels[~carried].max() < 0.5 * levels[carried].min()

    def test_an_unlabelled_one_is_dapi_alone(self) -> None:
        """Nothing of red and green."""
        for crop in crops_of(PRESETS["medium"], "unlabelled", 6):
            assert not crop.pixels[:2].any()
            assert crop.pixels[2].any()

    def test_an_aberration_tells_two_colours_and_their_junction(self) -> None:
        """Within the range that was asked for."""
        for crop in crops_of(PLAIN, "aberration"):
            painted = crop.truth.painted

            assert painted is not None
            assert painted.colours[0] != painted.colours[1]
            assert all(0.3 <= position <= 0.7 for position in painted.positions)


class TestDifficulty:
    def test_bleed_through_lights_the_other_channel(self) -> None:
        """The more, the brighter the fainter channel."""
        faint = [
            mean_of(lambda c: paints(c).min(), replace(PLAIN, bleed_through=share), "normal")
            for share in (0.0, 0.2, 0.5)
        ]

        assert faint == sorted(faint)
        assert faint[2] > faint[0] + 20

    def test_noise_makes_neighbours_differ(self) -> None:
        """By about what is asked for."""

        def rough(crop: SimulatedCrop) -> float:
            both = crop.mask[:, 1:] & crop.mask[:, :-1]
            return float(np.diff(crop.pixels[:2].astype(float), axis=2)[:, both].std())

        found = [mean_of(rough, replace(PLAIN, noise=noise), "normal") for noise in (0.0, 8.0, 20.0)]

        assert found == sorted(found)
        assert found[2] > found[0] + 10

    def test_a_junction_near_an_end_leaves_a_small_piece(self) -> None:
        """Of the chromosome's own colour or of the other."""

        def smaller(crop: SimulatedCrop) -> float:
            assert crop.truth.painted is not None
            position = crop.truth.painted.positions[0]
            return min(position, 1 - position)

        middle, near = (
            mean_of(smaller, replace(PLAIN, junction=ends), "aberration") for ends in ((0.4, 0.6), (0.0, 0.2))
        )

        assert near < 0.7 * middle

    def test_a_neighbour_lies_on_as_much_as_is_asked_for(self) -> None:
        """On every crop, or on none."""
        share = (0.15, 0.25)
        covered = [
            crop.truth.overlap_share
            for crop in crops_of(replace(PLAIN, overlap=1.0, overlap_share=share), "normal")
        ]

        assert np.mean(covered) == pytest.approx(0.2, abs=0.05)
        assert not any(crop.truth.overlap_share for crop in crops_of(PLAIN))

    def test_dark_channels_grow_brighter_with_their_ratio(self) -> None:
        """Less contrast between two colours."""
        dark, bright = (
            mean_of(lambda c: paints(c).min(), replace(PLAIN, dark_ratio=ratio), "normal")
            for ratio in ((0.05, 0.1), (0.5, 0.6))
        )

        assert bright > dark + 20

    def test_blur_smooths(self) -> None:
        """Neighbours differ less."""

        def rough(crop: SimulatedCrop) -> float:
            both = crop.mask[:, 1:] & crop.mask[:, :-1]
            return float(np.abs(np.diff(crop.pixels.astype(float), axis=2)[:, both]).mean())

        assert mean_of(rough, replace(PLAIN, blur_px=2.0), "normal") < mean_of(rough, PLAIN, "normal")

    def test_slides_differ_as_much_as_is_asked_for(self) -> None:
        """In the size of their crops."""

        def spread(difficulty: Difficulty) -> float:
            simulator = Simulator(difficulty)
            areas = [
                np.mean([np.count_nonzero(simulator.crop(f"S{i}", "unlabelled", k).mask) for k in range(6)])
                for i in range(12)
            ]
            return float(np.std(areas) / np.mean(areas))

        assert spread(replace(PLAIN, slide_spread=3.0)) > 1.3 * spread(PLAIN)


class TestCrops:
    def test_asks_before_every_crop_whether_to_go_on(self) -> None:
        """What the check raises stops the work."""
        calls: list[int] = []

        def check() -> None:
            calls.append(1)
            if len(calls) == 3:
                raise TimeoutError

        with pytest.raises(TimeoutError):
            list(Simulator().crops({"S": SlideCounts(normal=5)}, check))

    def test_has_as_many_of_each_class_as_are_wanted(self) -> None:
        """Slide by slide."""
        counts = {"A": SlideCounts(normal=2, aberration=1), "B": SlideCounts(unlabelled=1)}
        crops = list(Simulator().crops(counts))

        assert [crop.crop_id for crop in crops] == [
            "A/normal/0",
            "A/normal/1",
            "A/aberration/0",
            "B/unlabelled/0",
        ]
