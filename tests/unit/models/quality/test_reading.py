from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.quality.reading import read_colours

Draw = Callable[..., tuple[NDArray[Any], NDArray[Any]]]

NONE, RED, GREEN, YELLOW = (0, 0), (200, 0), (0, 200), (200, 200)
COLOURS = {"none": NONE, "red": RED, "green": GREEN, "yellow": YELLOW}


class TestReadColours:
    @pytest.mark.parametrize(
        ("upper", "lower", "pair"),
        [
            ("red", "green", "red + green"),
            ("green", "red", "red + green"),
            ("none", "yellow", "none + yellow"),
            ("yellow", "red", "red + yellow"),
            ("red", "red", "red"),
            ("none", "none", "none"),
            ("yellow", "yellow", "yellow"),
        ],
    )
    def test_reads_both_sides(self, draw: Draw, upper: str, lower: str, pair: str) -> None:
        """Pairs have no order; a chromosome of one colour has no junction."""
        canvas, mask = draw(COLOURS[upper], COLOURS[lower], noise=12.0)

        reading = read_colours(canvas[None], mask[None])

        assert [pair] == reading.pairs
        assert [upper != lower] == reading.two_coloured.tolist()

    @pytest.mark.parametrize(("cut", "position"), [(0.25, 0.25), (0.5, 0.5), (0.7, 0.3)])
    def test_junction_is_where_it_was_drawn(self, draw: Draw, cut: float, position: float) -> None:
        """The share of the shorter side, to the width of a bin."""
        canvas, mask = draw(RED, GREEN, cut=cut, noise=8.0)

        assert pytest.approx(position, abs=0.06) == read_colours(canvas[None], mask[None]).positions[0]

    def test_a_bent_chromosome_is_followed(self) -> None:
        """Half of a ring, one colour along each half of the arc, which no straight axis would part."""
        ys, xs = np.mgrid[:64, :64] - 31.5
        radius = np.hypot(ys, xs)
        mask = (np.abs(radius - 22) < 5) & (ys < 0)
        canvas = np.zeros((3, 64, 64), np.uint8)
        canvas[0, mask & (np.arctan2(ys, xs) < -np.pi * 0.7)] = 200
        canvas[1, mask & (np.arctan2(ys, xs) >= -np.pi * 0.7)] = 200

        reading = read_colours(canvas[None], mask[None])

        assert ["red + green"] == reading.pairs
        assert pytest.approx(0.3, abs=0.05) == reading.positions[0]

    def test_a_turned_chromosome_reads_the_same(self, draw: Draw) -> None:
        """Orientation changes neither pair nor place."""
        canvas, mask = draw(RED, YELLOW, cut=0.35)
        turn = cv2.getRotationMatrix2D((15.5, 15.5), 40, 1)
        turned = cv2.warpAffine(canvas.transpose(1, 2, 0), turn, (32, 32)).transpose(2, 0, 1)
        turned_mask = cv2.warpAffine(mask.astype(np.uint8), turn, (32, 32)) > 0

        reading = read_colours(np.stack([canvas, turned.astype(np.uint8)]), np.stack([mask, turned_mask]))

        assert ["red + yellow", "red + yellow"] == reading.pairs
        assert reading.positions[0] == pytest.approx(reading.positions[1], abs=0.06)

    def test_a_dark_middle_is_no_junction(self, draw: Draw) -> None:
        """An unpainted centromere varies twice, and no single cut explains it."""
        canvas, mask = draw(RED, RED)
        canvas[0, 12:20] = 40 * mask[12:20]

        assert ["red"] == read_colours(canvas[None], mask[None]).pairs

    def test_an_empty_mask_is_uniform(self) -> None:
        """Nothing is read where nothing lies."""
        reading = read_colours(np.full((1, 3, 16, 16), 200, np.uint8), np.zeros((1, 16, 16), bool))

        assert ["none"] == reading.pairs
        assert 0.0 == reading.explained[0]

    def test_a_speck_has_no_junction(self) -> None:
        """A mask of a few pixels is too short to be cut, and still has a colour."""
        mask = np.zeros((1, 16, 16), bool)
        mask[0, 8, 6:10] = True
        canvas = np.zeros((1, 3, 16, 16), np.uint8)
        canvas[0, 1] = 200

        assert ["green"] == read_colours(canvas, mask).pairs

    def test_the_largest_part_is_read(self, draw: Draw) -> None:
        """A fragment that a neighbour cut off does not hide the rest."""
        canvas, mask = draw(RED, GREEN)
        mask[0:2, 0:3] = True
        canvas[:2, 0:2, 0:3] = 120

        assert ["red + green"] == read_colours(canvas[None], mask[None]).pairs
