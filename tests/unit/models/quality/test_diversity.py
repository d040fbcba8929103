from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from models.quality.diversity import (
    PAIRS,
    POSITION_EDGES,
    Diversity,
    diversity,
    effective_number,
    signs_of_collapse,
)
from models.quality.reading import COLOURS, Reading
from models.quality.ssim import ssim_of_pairs


def noise(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Canvases without any likeness."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 16, 16)).astype(np.uint8)


def read(pairs: Sequence[tuple[str, str, float]]) -> Reading:
    """What would be read from chromosomes of two colours and a junction, NaN for none."""
    first, second = ([COLOURS.index(pair[side]) for pair in pairs] for side in (0, 1))
    return Reading(
        np.array(first), np.array(second), np.array([pair[2] for pair in pairs]), np.ones(len(pairs))
    )


def measured(pairs: dict[str, int], *, uniform: int = 0, near: float = 0.3) -> Diversity:
    """A set of which only these counts matter."""
    return Diversity(
        tuple(pairs.get(name, 0) for name in PAIRS),
        (uniform, 0, 0, 0),
        np.zeros(len(POSITION_EDGES) - 1, np.int64),
        np.full(4, near),
        np.empty(0),
    )


class TestDiversity:
    def test_counts_pairs_and_places(self) -> None:
        """Pairs have no order, one colour is none of them, places fall between the edges."""
        nan = float("nan")
        reading = read(
            [("red", "green", 0.22), ("green", "red", 0.48), ("red", "red", nan), ("none", "none", nan)]
        )

        figures = diversity(noise(4), list("abcd"), reading, compared=np.arange(4)).to_json()

        assert 2 == figures["pairs"]["red + green"] == sum(figures["pairs"].values())
        assert {"none": 1, "red": 1, "green": 0, "yellow": 0} == figures["uniform"]
        assert [1, 0, 0, 0, 0, 1] == figures["positions"]["counts"]
        assert 0.5 == figures["two_coloured_share"]
        assert {"pair": "red + green", "share": 1.0} == figures["commonest_pair"]
        assert 1 == figures["pairs_covered"]

    def test_samples_of_one_source_are_no_neighbours(self) -> None:
        """Equal samples of one source say how little chance changes, not that sources are alike."""
        canvases = noise(3)
        canvases[1] = canvases[0]
        reading = read([("red", "red", float("nan"))] * 3)
        expected = 1 - ssim_of_pairs(canvases[:1], canvases[2:])

        found = diversity(canvases, list("aab"), reading, compared=np.arange(3))

        assert [0.0] == pytest.approx(found.same_source, abs=1e-6)
        assert np.repeat(expected, 3) == pytest.approx(found.nearest_other, abs=1e-6)

    def test_nothing_is_undefined_not_zero(self) -> None:
        """One crop has no neighbour and no pair."""
        reading = read([("none", "none", float("nan"))])

        figures = diversity(noise(1), ["a"], reading, compared=np.arange(1)).to_json()

        assert figures["distance_to_nearest_other"] is None
        assert figures["distance_within_source"] is None
        assert figures["commonest_pair"] is None


class TestEffectiveNumber:
    @pytest.mark.parametrize(
        ("expected", "counts"), [(4.0, [5, 5, 5, 5]), (1.0, [0, 9, 0]), (0.0, [0, 0]), (0.0, [])]
    )
    def test_counts_equally_frequent_kinds(self, expected: float, counts: list[int]) -> None:
        """Equal kinds are counted; empty kinds do not count."""
        assert pytest.approx(expected) == effective_number(counts)


class TestSignsOfCollapse:
    def test_a_varied_set_shows_none(self) -> None:
        """As varied as the real one: silence."""
        varied = measured({"none + red": 4, "red + green": 5})

        assert [] == signs_of_collapse(varied, varied)

    def test_one_pair_for_nearly_all_is_named(self) -> None:
        """The share and the pair are told."""
        signs = signs_of_collapse(
            measured({"none + red": 87, "red + green": 13}), measured({"none + red": 5, "red + green": 5})
        )

        assert ["87% of the two-coloured samples carry one pair, none + red."] == signs

    def test_a_real_set_of_one_pair_excuses_it(self) -> None:
        """A generator that learned one pair has not collapsed when it makes that one a little less."""
        assert [] == signs_of_collapse(
            measured({"none + red": 9, "red + green": 1}), measured({"none + red": 10})
        )

    def test_samples_that_are_alike_are_named(self) -> None:
        """Less than half of the real distance between neighbours."""
        usual = {"none + red": 1, "red + green": 1}

        assert "alike" in signs_of_collapse(measured(usual, near=0.1), measured(usual))[0]
        assert [] == signs_of_collapse(measured(usual, near=0.2), measured(usual))

    def test_samples_without_a_junction_are_named(self) -> None:
        """A generator that paints one colour makes no aberrations."""
        signs = signs_of_collapse(measured({"red + green": 1}, uniform=3), measured({"none + red": 3}))

        assert "In 75% of the samples no junction is read." in signs
