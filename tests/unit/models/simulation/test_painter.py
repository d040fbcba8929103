"""Translocations painted on normal chromosomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtr

from models.generation.sources import DAPI, Sources
from models.simulation.axis import axis_of
from models.simulation.colours import CARRIES, colour_of
from models.simulation.painter import Painter, Painting
from models.simulation.painting import UnpaintableError
from models.simulation.plan import PaintedTruth

MakeSources = Callable[..., Sources]

# Nothing but the junction itself, so that what was painted can be measured.
PLAIN = Painting(
    position=(0.3, 0.7),
    angle_deg=(0.0, 0.0),
    sharpness_px=(1.0, 3.0),
    three_parts=0.0,
    dark_ratio=(0.2, 0.4),
    kept_ratio=(1.0, 1.0),
    paint_ratio=(0.9, 1.1),
    dapi_exponent=(0.0, 0.0),
    grain=(0.0, 0.0),
    bleed=(0.0, 0.0),
    misregistration_px=(0.0, 0.0),
)
COLOURS_OF_SOURCES = st.sampled_from(
    [(200, 40, 150), (40, 200, 150), (190, 180, 120), (60, 50, 90), (0, 0, 150)]
)


def along(sources: Sources, index: int, truth: PaintedTruth) -> NDArray[np.float64]:
    """Distance of every pixel of a mask from the end of the first part, (n,)."""
    axis = axis_of(sources.masks[index])
    return axis.length_px - axis.along_px if truth.reversed else axis.along_px


def rows_of(sources: Sources, rows: list[int]) -> Sources:
    """Return some of the sources."""
    return replace(
        sources,
        canvases=sources.canvases[rows],
        masks=sources.masks[rows],
        crop_ids=[sources.crop_ids[row] for row in rows],
        sample_numbers=[sources.sample_numbers[row] for row in rows],
    )


class TestGenerate:
    @settings(max_examples=40)
    @given(
        shape=st.sampled_from(["rod", "bent", "pieces", "disc", "speck"]),
        levels=COLOURS_OF_SOURCES,
        seed=st.integers(0, 2**31),
    )
    def test_dapi_stays_and_nothing_lies_off_the_mask(
        self, make_sources: MakeSources, shape: str, levels: tuple[int, int, int], seed: int
    ) -> None:
        """Whatever is drawn, and however small or bent the chromosome is."""
        sources = make_sources(shape, levels, seed=seed, texture=20)
        painted = Painter().generate(sources)

        assert painted.dtype == np.uint8
        np.testing.assert_array_equal(sources.canvases[:, DAPI], painted[:, DAPI])
        assert not painted[:, :, ~sources.masks[0]].any()

    @settings(max_examples=40)
    @given(levels=COLOURS_OF_SOURCES, seed=st.integers(0, 2**31))
    def test_both_sides_have_the_colours_that_describe_tells(
        self, make_sources: MakeSources, levels: tuple[int, int, int], seed: int
    ) -> None:
        """Each channel that the colours differ in is twice as bright on one side."""
        sources = make_sources("rod", levels, seed=seed)
        painter = Painter(PLAIN)
        (painted,), (truth,) = painter.generate(sources), painter.describe(sources)
        distance, cut = along(sources, 0, truth), truth.positions[0] * truth.length_px
        reach = 3 * truth.sharpness_px
        inks = painted[:2, sources.masks[0]].astype(np.float64)
        first, second = (
            np.median(inks[:, part], axis=1) for part in (distance < cut - reach, distance > cut + reach)
        )
        carried = [np.array(CARRIES[colour]) for colour in truth.colours]

        assert truth.colours[0] == (colour_of(np.array(levels)) or truth.colours[0])
        differ = carried[0] != carried[1]
        assert differ.any()
        bright = np.where(carried[0], first, second)
        dark = np.where(carried[0], second, first)
        assert (dark[differ] <= 0.5 * bright[differ]).all()

    @settings(max_examples=25)
    @given(seed=st.integers(0, 2**31), shape=st.sampled_from(["rod", "bent"]))
    def test_the_first_part_keeps_its_pixels(self, make_sources: MakeSources, seed: int, shape: str) -> None:
        """Beyond the reach of the junction's blur and tilt the source is there byte for byte."""
        sources = make_sources(shape, seed=seed, texture=30)
        painter = Painter()
        (painted,), (truth,) = painter.generate(sources), painter.describe(sources)
        reach = 4 * truth.sharpness_px + 4.5
        own = along(sources, 0, truth) < truth.positions[0] * truth.length_px - reach
        mask = sources.masks[0]

        np.testing.assert_array_equal(sources.canvases[0][:, mask][:, own], painted[:, mask][:, own])

    @settings(max_examples=25)
    @given(seed=st.integers(0, 2**31))
    def test_the_junction_lies_where_and_is_as_sharp_as_describe_tells(
        self, make_sources: MakeSources, seed: int
    ) -> None:
        """Measured on the picture: a step blurred by a Gaussian."""
        sources = make_sources("rod", (200, 40, 150), seed=seed)
        painter = Painter(PLAIN)
        (painted,), (truth,) = painter.generate(sources), painter.describe(sources)
        channel = 0 if CARRIES[truth.colours[1]] == (False, False) else 1
        profile = painted[channel, 20:28, 4:44].mean(axis=0)
        if truth.reversed != (axis_of(sources.masks[0]).along_px[0] > 20):
            profile = profile[::-1]
        share = (profile - profile[0]) / (profile[-1] - profile[0])
        cut = truth.positions[0] * truth.length_px
        expected = ndtr((np.arange(40) - cut) / truth.sharpness_px)

        np.testing.assert_allclose(share, expected, atol=0.06)

    def test_a_tilted_junction_runs_aslant(self, make_sources: MakeSources) -> None:
        """One side of the chromosome changes colour before the other, by the tangent of the angle."""
        painter = Painter(replace(PLAIN, angle_deg=(40.0, 40.0), sharpness_px=(1.0, 1.0)))
        sources = make_sources("rod", (200, 40, 150), seed=4)
        painted = painter.generate(sources)[0].astype(np.float64)
        changed = int(np.argmax(np.abs(painted[:2, 24, 5] - painted[:2, 24, 42])))
        ink = painted[changed, 20:28, 4:44]
        halfway = (ink[0, 0] + ink[0, -1]) / 2
        columns = (ink > halfway).sum(axis=1)

        assert abs(columns[-1] - columns[0]) == pytest.approx(7 * np.tan(np.deg2rad(40)), abs=1)

    def test_a_cut_across_a_bent_chromosome_crosses_one_arm(self, make_sources: MakeSources) -> None:
        """At one height the tip of one arm is untouched, and that of the other is painted."""
        painter = Painter(replace(PLAIN, position=(0.2, 0.2), sharpness_px=(1.0, 1.0)))
        sources = make_sources("bent", (200, 40, 150), seed=1)
        painted = painter.generate(sources)[0].astype(int)
        change = np.abs(painted - sources.canvases[0]).max(axis=0)
        tips = change[9, [14, 30]]

        assert min(tips) == 0
        assert max(tips) > 60

    def test_three_parts_change_their_colour_twice(self, make_sources: MakeSources) -> None:
        """The part in the middle differs from both neighbours in some channel."""
        painter = Painter(replace(PLAIN, three_parts=1.0, sharpness_px=(0.5, 0.5), end_px=8.0))
        sources = make_sources("rod", (200, 40, 150), count=10)
        for index, (painted, truth) in enumerate(
            zip(painter.generate(sources), painter.describe(sources), strict=True)
        ):
            distance = along(sources, index, truth)
            places = np.array([0.0, *truth.positions, 1.0]) * truth.length_px
            middles = (places[:-1] + places[1:]) / 2
            inks = [
                np.median(painted[:2, sources.masks[index]][:, np.abs(distance - middle) < 1.5], axis=1)
                for middle in middles
            ]

            assert len(inks) == 3
            assert np.abs(inks[0] - inks[1]).max() > 60
            assert np.abs(inks[1] - inks[2]).max() > 60

    def test_paint_bleeds_into_the_other_channel(self, make_sources: MakeSources) -> None:
        """By its share, on the painted side alone."""
        only_green = {"green": 1.0, "red": 1.0}
        sources = make_sources("rod", (200, 40, 150))
        dry, wet = (
            Painter(replace(PLAIN, second_colours=only_green, bleed=(bleed, bleed))).generate(sources)[0]
            for bleed in (0.0, 0.2)
        )
        more = wet[0].astype(float) - dry[0]
        new_green = np.where(dry[1] > 100, dry[1], 0)

        assert new_green.any()
        np.testing.assert_allclose(more[new_green > 0], 0.2 * new_green[new_green > 0], atol=10)
        assert np.abs(more[dry[1] == 40]).max(initial=0) <= 1

    def test_a_disc_is_painted_on_both_sides(self, make_sources: MakeSources) -> None:
        """A chromosome too round for an axis of its own still gets two colours."""
        sources = make_sources("disc", (200, 40, 150), count=8)
        changed = (Painter(PLAIN).generate(sources) != sources.canvases).any(axis=1)
        share = changed.sum(axis=(1, 2)) / sources.masks.sum(axis=(1, 2))

        assert (share > 0.15).all()
        assert (share < 0.95).all()

    def test_a_crop_comes_out_the_same_alone_shuffled_and_in_a_crowd(self, make_sources: MakeSources) -> None:
        """It depends on nothing but itself."""
        sources = make_sources(count=12, texture=25)
        painter = Painter()
        crowd = painter.generate(sources)
        order = [7, 2, 11, 0, 5]

        np.testing.assert_array_equal(crowd[order], painter.generate(rows_of(sources, order)))
        np.testing.assert_array_equal(crowd[3:4], painter.generate(rows_of(sources, [3])))

    def test_another_seed_sample_or_crop_makes_another_picture(self, make_sources: MakeSources) -> None:
        """Each of them counts."""
        sources = make_sources(texture=25)
        others = [
            replace(sources, seed=1),
            replace(sources, sample_numbers=[1]),
            replace(sources, crop_ids=["another"]),
        ]
        first, *rest = (Painter().generate(each) for each in (sources, *others))

        assert all((first != other).any() for other in rest)

    def test_asks_before_every_crop_whether_to_go_on(self, make_sources: MakeSources) -> None:
        """What the check raises stops the work."""
        calls: list[int] = []

        def check() -> None:
            calls.append(1)
            if len(calls) == 2:
                raise TimeoutError

        with pytest.raises(TimeoutError):
            Painter().generate(make_sources(count=5), check)
        assert len(calls) == 2

    def test_refuses_an_empty_mask(self, make_sources: MakeSources) -> None:
        """The message names the crop."""
        sources = make_sources(count=2)
        sources.masks[1] = False

        with pytest.raises(UnpaintableError, match="crop_1 is empty"):
            Painter().generate(sources)

    def test_nothing_to_paint_makes_nothing(self, make_sources: MakeSources) -> None:
        """No source, no picture."""
        assert Painter().generate(rows_of(make_sources(), [])).shape == (0, 3, 48, 48)


class TestDescribe:
    def test_tells_one_truth_per_source_whatever_the_batch(self, make_sources: MakeSources) -> None:
        """In their order, and the same for the same crop."""
        sources = make_sources(count=6)
        truths = Painter().describe(sources)

        assert truths[2:5] == Painter().describe(rows_of(sources, [2, 3, 4]))
        assert len({truth.positions for truth in truths}) == 6

    def test_refuses_an_empty_mask(self, make_sources: MakeSources) -> None:
        """As painting does."""
        sources = make_sources()
        sources.masks[0] = False

        with pytest.raises(UnpaintableError, match="crop_0 is empty"):
            Painter().describe(sources)
