from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path
from numpy.typing import NDArray

from services.pipelines.filter_map_data import (
    CONTOUR_SHARES,
    MIN_FOR_CONTOURS,
    View,
    contours_of,
    thumbnail_rows,
    view_of,
)
from tests.support.mapped import LEVEL, MIXTURE, map_data

VIEW = View(-8.0, -8.0, 8.0, 8.0)


def share_inside(points: NDArray[np.float32], share: float) -> float:
    """Return how many of the points lie inside of the contours of a share; holes are outside."""
    inside = np.zeros(len(points), np.int64)
    for contour in contours_of(points, VIEW):
        if contour.share == share:
            inside += Path(contour.points).contains_points(points)
    return float(np.mean(inside % 2 == 1))


class TestView:
    def test_holds_every_crop_and_the_ellipses(self) -> None:
        """Nothing that is drawn at the filter's level lies beyond the edge."""
        data = map_data()

        view = view_of(data)

        places = [one.scores.coordinates for one in data.series]
        drawn = np.concatenate([*places, *(MIXTURE.outline(LEVEL, one) for one in (0, 1))])
        assert (drawn > [view.x0, view.y0]).all()
        assert (drawn < [view.x1, view.y1]).all()

    @pytest.mark.parametrize("level", [0.0, 1.0])
    def test_ellipses_without_an_outline_do_not_matter(self, level: float) -> None:
        """At level 1 the ellipse is the plane, at level 0 a point."""
        data = map_data()

        view = view_of(replace(data, level=level))

        assert view == view_of(replace(data, mixture=None))

    def test_nothing_to_see_has_a_view_too(self) -> None:
        """A map without crops, or of one place, is not empty in size."""
        view = view_of(replace(map_data(), series=[], mixture=None))

        assert view.x0 < view.x1
        assert view.y0 < view.y1


class TestContours:
    @pytest.mark.parametrize("share", CONTOUR_SHARES)
    def test_enclose_their_share(self, share: float) -> None:
        """Half of the points lie inside the line of 50 %, and so on."""
        points = np.random.default_rng(0).normal(size=(4000, 2)).astype(np.float32)

        assert share_inside(points, share) == pytest.approx(share, abs=0.06)

    def test_two_clouds_have_a_line_each(self) -> None:
        """A gap between them is no part of either."""
        rng = np.random.default_rng(1)
        points = rng.normal(size=(2000, 2)).astype(np.float32) * np.float32(0.6)
        points[:1000, 0] += 4.0
        points[1000:, 0] -= 4.0

        lines = [contour for contour in contours_of(points, VIEW) if contour.share == 0.75]

        assert 2 == len(lines)
        assert {True, False} == {bool((line.points[:, 0] > 0).all()) for line in lines}

    def test_a_few_points_have_none(self) -> None:
        """A density of a handful of crops would be an invention."""
        assert [] == contours_of(np.zeros((MIN_FOR_CONTOURS - 1, 2), np.float32), VIEW)

    def test_the_same_place_many_times_is_a_small_ring(self) -> None:
        """Identical crops have a density although they have no width."""
        contours = contours_of(np.full((50, 2), 2.0, np.float32), VIEW)

        assert set(CONTOUR_SHARES) == {contour.share for contour in contours}
        assert max(np.abs(contour.points - 2.0).max() for contour in contours) < 1.0

    def test_a_cloud_at_the_edge_keeps_a_closed_line(self) -> None:
        """The view's edge cuts no line open."""
        points = np.random.default_rng(2).normal(size=(500, 2)).astype(np.float32) + np.float32(7.0)
        points = np.clip(points, -8.0, 8.0)

        for contour in contours_of(points, VIEW):
            np.testing.assert_array_equal(contour.points[0], contour.points[-1])


class TestThumbnailRows:
    @given(
        st.lists(st.floats(0.0, 1.0), max_size=60),
        st.floats(0.0, 1.0),
        st.integers(0, 20),
    )
    def test_are_as_many_as_fit_and_no_row_twice(self, needed: list[float], level: float, limit: int) -> None:
        """Any numbers give rows in ascending order, the same ones again."""
        rows = thumbnail_rows(np.array(needed), level, limit)

        assert min(len(needed), limit) == len(rows)
        assert sorted(set(rows.tolist())) == rows.tolist()
        assert rows.tolist() == thumbnail_rows(np.array(needed), level, limit).tolist()

    def test_show_both_sides_of_the_level_and_everywhere_else(self) -> None:
        """Half of the pictures lie next to the level, the others reach both ends."""
        needed = np.random.default_rng(0).permutation(np.linspace(0.0, 1.0, 1000))

        chosen = np.sort(needed[thumbnail_rows(needed, 0.4, 40)])

        near = np.abs(chosen - 0.4) <= 0.0101
        assert 20 <= np.count_nonzero(near)
        assert 10 <= np.count_nonzero(near & (chosen <= 0.4))
        assert 9 <= np.count_nonzero(near & (chosen > 0.4))
        assert (0.0, 1.0) == (chosen[0], chosen[-1])
