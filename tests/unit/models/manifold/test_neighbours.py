from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.manifold.neighbours import BLOCK_ROWS, NeighbourSearch, run_blocks

FEW = 64  # up to here no bounds are used
Found = tuple[NDArray[np.int32], NDArray[np.float64]]


class Stopped(Exception):
    """What a check raises."""


def brute_force(
    rows: NDArray[np.float32],
    points: NDArray[np.float32],
    k: int,
    excluded: NDArray[np.int64] | None = None,
) -> Found:
    """Sort all distances, and equal ones by number."""
    differences = rows.astype(np.float64)[:, None] - points.astype(np.float64)
    squared = np.square(differences).sum(axis=2)
    if excluded is not None:
        known = np.flatnonzero(excluded >= 0)
        squared[known, excluded[known]] = np.inf
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return order.astype(np.int32), np.sqrt(np.take_along_axis(squared, order, axis=1))


def one_by_one(
    search: NeighbourSearch, rows: NDArray[np.float32], k: int, excluded: NDArray[np.int64] | None = None
) -> Found:
    """Find neighbours of every row in a call of its own, which compares it with everything."""
    found = [
        search.nearest(rows[i : i + 1], k, excluded=None if excluded is None else excluded[i : i + 1])
        for i in range(len(rows))
    ]
    return np.concatenate([indices for indices, _ in found]), np.concatenate([far for _, far in found])


def assert_same_bits(expected: Found, found: Found) -> None:
    """Compare neighbours and distances without tolerance."""
    assert (expected[0] == found[0]).all()
    assert (expected[1] == found[1]).all()


def normal(num_rows: int, dimensions: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(num_rows, dimensions)).astype(np.float32)


class TestNearest:
    @pytest.mark.parametrize("dimensions", [1, 5, 8, 32, 47, 51, 130])
    @pytest.mark.parametrize("num_rows", [3, 200])
    def test_neighbours_are_those_of_a_comparison_with_everything(
        self, dimensions: int, num_rows: int
    ) -> None:
        """Few rows and many; widths below and above the number of directions, and no multiple of eight."""
        points, rows = normal(300, dimensions, 0), normal(num_rows, dimensions, 1)

        indices, distances = NeighbourSearch(points).nearest(rows, 15)

        expected = brute_force(rows, points, 15)
        assert (indices.dtype, distances.dtype) == (np.int32, np.float64)
        assert (expected[0] == indices).all()
        assert np.allclose(expected[1], distances, rtol=1e-13, atol=0.0)

    def test_rows_that_vary_in_few_directions_are_measured_in_all(self) -> None:
        """What the bounds leave out decides where the main directions do not."""
        scales = np.r_[np.full(48, 10.0), np.full(80, 0.1)].astype(np.float32)
        points = normal(400, 128, 0) * scales
        rows = points[:100] + normal(100, 128, 1) * np.float32(0.1)
        points[200:300] = points[:100]
        points[200:300, 48:] += normal(100, 80, 2) * np.float32(0.1)

        found = NeighbourSearch(points).nearest(rows, 5)

        assert (brute_force(rows, points, 5)[0] == found[0]).all()

    @pytest.mark.parametrize("num_rows", [10, 100])
    def test_equal_distances_go_by_number(self, num_rows: int) -> None:
        """Corners of a grid are equally far; the lower number comes first, at the k-th place too."""
        rng = np.random.default_rng(0)
        points = rng.integers(0, 2, (200, 6)).astype(np.float32)
        rows = rng.integers(0, 2, (num_rows, 6)).astype(np.float32)

        for k in (1, 7, 50):
            assert_same_bits(brute_force(rows, points, k), NeighbourSearch(points).nearest(rows, k))

    def test_points_that_occur_twice_are_both_neighbours(self) -> None:
        """A training set may hold the same crop twice."""
        points = np.concatenate([normal(60, 9, 0)] * 2)

        indices, distances = NeighbourSearch(points).nearest(points[:60], 2)

        assert np.column_stack([np.arange(60), np.arange(60) + 60]).tolist() == indices.tolist()
        assert (distances == 0.0).all()

    @pytest.mark.parametrize("num_rows", [12, 80])
    def test_an_excluded_point_is_no_neighbour(self, num_rows: int) -> None:
        """Not even of an equal row; a row that excludes nothing, -1, has it."""
        points = normal(90, 10, 0)
        rows = points[:num_rows]
        excluded = np.where(np.arange(num_rows) % 3 == 0, -1, np.arange(num_rows))

        indices, distances = NeighbourSearch(points).nearest(rows, 6, excluded=excluded)

        assert (brute_force(rows, points, 6, excluded)[0] == indices).all()
        assert ((distances[:, 0] == 0.0) == (excluded < 0)).all()

    def test_excluding_finds_what_a_set_without_the_point_has(self) -> None:
        """The same distances to the bit, as if it had never been there."""
        points = normal(70, 13, 0)

        excluded = np.arange(70)
        distances = NeighbourSearch(points).nearest(points, 6, excluded=excluded)[1]

        for i in range(70):
            others = np.delete(points, i, axis=0)
            assert (NeighbourSearch(others).nearest(points[i : i + 1], 6)[1][0] == distances[i]).all()

    @pytest.mark.parametrize("num_rows", [12, 40])
    def test_all_points_can_be_asked_for(self, num_rows: int) -> None:
        """N of them, or the N - 1 that are not excluded."""
        points = normal(40, 7, 0)
        rows = points[:num_rows]
        excluded = np.arange(num_rows)
        search = NeighbourSearch(points)

        assert (brute_force(rows, points, 40)[0] == search.nearest(rows, 40)[0]).all()
        found = search.nearest(rows, 39, excluded=excluded)[0]
        assert (brute_force(rows, points, 39, excluded)[0] == found).all()

    def test_no_rows_have_no_neighbours(self) -> None:
        """An empty batch keeps its number of columns."""
        indices, distances = NeighbourSearch(normal(30, 4, 0)).nearest(np.empty((0, 4), np.float32), 3)

        assert indices.shape == distances.shape == (0, 3)

    def test_memory_layout_does_not_matter(self) -> None:
        """Views and transposes are brought into order first."""
        points, rows = normal(100, 12, 0), normal(60, 12, 1)

        turned = NeighbourSearch(np.asfortranarray(points)).nearest(np.repeat(rows, 2, axis=0)[::2], 4)

        assert_same_bits(NeighbourSearch(points).nearest(rows, 4), turned)


@pytest.fixture(scope="module")
def search() -> NeighbourSearch:
    return NeighbourSearch(normal(500, 60, 0))


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float32]:
    """More than two blocks."""
    return normal(2 * BLOCK_ROWS + 21, 60, 1)


@pytest.fixture(scope="module")
def expected(search: NeighbourSearch, rows: NDArray[np.float32]) -> Found:
    return search.nearest(rows, 15)


class TestCompany:
    def test_a_row_alone_has_the_same_bits(
        self, search: NeighbourSearch, rows: NDArray[np.float32], expected: Found
    ) -> None:
        """Few rows are compared with everything, many through bounds."""
        assert_same_bits(expected, one_by_one(search, rows, 15))

    @pytest.mark.parametrize("size", [7, FEW, FEW + 1, 100])
    def test_blocks_of_any_size_have_the_same_bits(
        self, search: NeighbourSearch, rows: NDArray[np.float32], expected: Found, size: int
    ) -> None:
        """On either side of where bounds begin to be used."""
        parts = [search.nearest(rows[i : i + size], 15) for i in range(0, len(rows), size)]

        assert_same_bits(
            expected, (np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]))
        )

    def test_another_order_has_the_same_bits(
        self, search: NeighbourSearch, rows: NDArray[np.float32], expected: Found
    ) -> None:
        """Whichever rows stand beside it."""
        order = np.random.default_rng(2).permutation(len(rows))

        assert_same_bits((expected[0][order], expected[1][order]), search.nearest(rows[order], 15))

    def test_threads_give_the_same_bits(
        self, search: NeighbourSearch, rows: NDArray[np.float32], expected: Found
    ) -> None:
        """They share blocks, not sums."""
        assert_same_bits(expected, search.nearest(rows, 15, threads=3))

    @pytest.mark.parametrize("threads", [1, 2])
    def test_a_check_is_asked_before_every_block_and_stops_the_search(
        self, search: NeighbourSearch, rows: NDArray[np.float32], threads: int
    ) -> None:
        """Its error reaches the caller."""
        asked = []

        def check() -> None:
            asked.append(None)
            if len(asked) == 2:
                raise Stopped

        with pytest.raises(Stopped):
            search.nearest(rows, 15, threads=threads, check=check)

        assert len(asked) in range(2, 4)


@st.composite
def odd_points(draw: st.DrawFn) -> NDArray[np.float32]:
    """Points with repeated rows, columns of very different sizes and a common offset."""
    num_points, dimensions = draw(st.sampled_from([20, 80, 2500])), draw(st.integers(1, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scales = 10.0 ** rng.uniform(-draw(st.integers(0, 6)), draw(st.integers(0, 6)), dimensions)
    points = rng.normal(size=(num_points, dimensions)) * scales
    points += draw(st.sampled_from([0.0, 1.0, 1e3, -1e6]))
    points *= draw(st.sampled_from([1.0, 1e-6, 1e3]))
    twins = rng.integers(0, num_points, draw(st.integers(0, num_points)))
    points[rng.integers(0, num_points, len(twins))] = points[twins]
    return points.astype(np.float32)


class TestBounds:
    @settings(max_examples=40, deadline=None)
    @given(points=odd_points(), seed=st.integers(0, 1000))
    def test_bounds_pass_over_no_neighbour(self, points: NDArray[np.float32], seed: int) -> None:
        """Whatever sizes columns have, and for rows that are points, lie beside them or far away."""
        rng = np.random.default_rng(seed)
        some = points[rng.permutation(len(points))[:20]]
        beside = some * (1.0 + rng.normal(size=some.shape) * 1e-6)
        rows = np.concatenate([some, beside, some[:10] * 1e3]).astype(np.float32)
        search = NeighbourSearch(points)

        assert_same_bits(one_by_one(search, rows, 9), search.nearest(rows, 9))

    @pytest.mark.parametrize("rank", [1, 2, 6, 80])
    def test_only_a_stretch_of_many_points_need_be_looked_at(self, rank: int) -> None:
        """What lies outside of it is no neighbour: points along a line, in a plane, and everywhere."""
        points, rows = normal(6000, rank, 0), normal(120, rank, 1)
        turn = normal(rank, 80, 2)
        points, rows = points @ turn, np.concatenate([rows @ turn, normal(30, 80, 3) * np.float32(50.0)])
        excluded = np.arange(len(rows))

        found = NeighbourSearch(points).nearest(rows, 15, excluded=excluded)

        assert_same_bits(one_by_one(NeighbourSearch(points), rows, 15, excluded), found)
        assert (brute_force(rows, points, 15, excluded)[0] == found[0]).all()

    def test_crowds_of_equal_points_are_found_by_number(self) -> None:
        """Of a thousand equal ones those with the lowest numbers, wherever the search begins."""
        crowds = normal(4, 24, 0) * np.float32(20.0)
        points = crowds[np.random.default_rng(1).integers(0, 4, 5000)]
        rows = np.repeat(crowds, 30, axis=0)

        found = NeighbourSearch(points).nearest(rows, 15)

        assert_same_bits(brute_force(rows, points, 15), found)

    def test_points_that_are_all_equal_are_found_by_number(self) -> None:
        """Nothing varies, and no direction is a main one."""
        points = np.full((50, 20), 3.3, np.float32)

        indices, distances = NeighbourSearch(points).nearest(points, 5)

        assert (indices == np.arange(5)).all()
        assert (distances == 0.0).all()

    @pytest.mark.parametrize("size", [1e-38, 1e-17, 1e6, 1e11])
    def test_points_of_extreme_size_have_the_neighbours_of_ordinary_ones(self, size: float) -> None:
        """Whose squares fall out of 32 bits, or nearly."""
        points = normal(60, 20, 0) * np.float32(size)
        search = NeighbourSearch(points)

        found = search.nearest(points, 5, excluded=np.arange(60))

        assert_same_bits(one_by_one(search, points, 5, np.arange(60)), found)
        assert (brute_force(points, points, 5, np.arange(60))[0] == found[0]).all()


class TestRunBlocks:
    @pytest.mark.parametrize("threads", [0, 1, 2, 8])
    def test_every_start_is_worked_on_once(self, threads: int) -> None:
        """On as many threads as one likes."""
        done: list[int] = []

        run_blocks(done.append, range(0, 30, 4), threads)

        assert sorted(done) == list(range(0, 30, 4))

    @pytest.mark.parametrize("threads", [1, 2])
    def test_an_error_is_raised(self, threads: int) -> None:
        """From whichever thread."""

        def work(start: int) -> None:
            if start == 2:
                raise Stopped

        with pytest.raises(Stopped):
            run_blocks(work, range(4), threads)
