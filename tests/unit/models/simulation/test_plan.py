"""What is drawn before anything is painted."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.simulation.colours import colour_of
from models.simulation.painting import Painting
from models.simulation.plan import Plan, plan_of

Levels = NDArray[np.float64]

levels = st.tuples(*[st.floats(0, 255)] * 3).map(np.array)
lengths = st.floats(0, 64)
seeds = st.integers(0, 2**32)


def plan(length_px: float = 50, seed: int = 0, painting: Painting | None = None) -> Plan:
    """Draw for a red chromosome."""
    rng = np.random.default_rng(seed)
    return plan_of(np.array([200.0, 40.0, 120.0]), length_px, painting or Painting(), rng)


class TestPlanOf:
    @given(levels, lengths, seeds)
    def test_neighbouring_parts_never_have_the_same_colour(
        self, levels: Levels, length_px: float, seed: int
    ) -> None:
        """The first part has the crop's own, if it has one."""
        drawn = plan_of(levels, length_px, Painting(three_parts=0.5), np.random.default_rng(seed))
        colours = drawn.truth.colours

        assert all(one != other for one, other in pairwise(colours))
        assert colour_of(levels) in {colours[0], None}

    @given(levels, st.floats(21, 64), seeds)
    def test_junctions_keep_away_from_the_ends_and_from_each_other(
        self, levels: Levels, length_px: float, seed: int
    ) -> None:
        """Whatever the range of positions says."""
        painting = Painting(position=(0.0, 1.0), end_px=6.0, three_parts=0.5)
        positions = plan_of(levels, length_px, painting, np.random.default_rng(seed)).truth.positions
        places = np.array([0.0, *positions, 1.0]) * length_px

        assert min(places[1], length_px - places[-2]) >= 6.0 - 1e-9
        assert (np.diff(places) > 2.0).all()

    @given(st.tuples(*[st.floats(5, 255)] * 3).map(np.array), lengths, seeds)
    def test_the_two_sides_of_a_junction_differ_in_level(
        self, levels: Levels, length_px: float, seed: int
    ) -> None:
        """By a ratio and by a number of grey levels, unless that would be whiter than white."""
        painting = Painting(dark_ratio=(0.05, 0.5), least_step=70.0, three_parts=0.0)
        drawn = plan_of(levels, length_px, painting, np.random.default_rng(seed))
        changed = drawn.renewed[1]
        dark, bright = np.sort([levels[:2][changed], drawn.levels[1][changed]], axis=0)

        assert changed.any()
        assert ((dark <= 0.5 * bright + 1e-9) | (bright == 255)).all()
        assert ((bright - dark >= 70 - 1e-9) | (bright == 255)).all()

    def test_colours_follow_their_weights(self) -> None:
        """Three to one between the two that are left beside red."""
        painting = Painting(
            second_colours={"none": 3.0, "green": 1.0, "red": 100.0, "yellow": 0.0}, three_parts=0.0
        )
        drawn = Counter(plan(seed=seed, painting=painting).truth.colours[1] for seed in range(400))

        assert {"none", "green"} == set(drawn)
        assert 260 < drawn["none"] < 340

    def test_either_end_is_kept(self) -> None:
        """About as often."""
        kept = [plan(seed=seed).truth.reversed for seed in range(200)]

        assert 70 < sum(kept) < 130

    def test_the_third_part_can_be_the_first_colour_again(self) -> None:
        """An insertion; it is painted like the source then."""
        plans = [plan(seed=seed, painting=Painting(three_parts=1.0)) for seed in range(60)]
        insertions = [drawn for drawn in plans if drawn.truth.colours[2] == "red"]

        assert 0 < len(insertions) < 60
        assert not any(drawn.renewed[2].any() or (drawn.ratios[2] != 1).any() for drawn in insertions)

    def test_a_short_chromosome_gets_a_sharp_junction(self) -> None:
        """A blur as wide as the chromosome would leave one colour."""
        assert plan(length_px=8, painting=Painting(sharpness_px=(5.0, 5.0))).truth.sharpness_px == 1.0
