from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import linalg

from models.quality.distances import (
    frechet_distance,
    kernel_distance,
    nearest_other,
    neighbourhood,
)


def normal(
    count: int, seed: int, columns: int = 4, mean: float = 0.0, scale: float = 1.0
) -> NDArray[np.float64]:
    """Normal rows."""
    return np.random.default_rng(seed).normal(mean, scale, (count, columns))


def exactly(mean: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows whose sample mean and covariance are exactly these."""
    rows = normal(200, 0, len(mean))
    rows -= rows.mean(axis=0)
    white = rows @ np.linalg.inv(np.linalg.cholesky(np.cov(rows, rowvar=False))).T
    return white @ np.linalg.cholesky(covariance).T + mean


class TestFrechetDistance:
    def test_is_the_closed_form_of_two_gaussians(self) -> None:
        """With diagonal covariances it is |m - n|² + Σ (√a - √b)²."""
        first = exactly(np.array([0.0, 1.0]), np.diag([4.0, 9.0]))
        second = exactly(np.array([3.0, 1.0]), np.diag([1.0, 16.0]))

        assert pytest.approx(9.0 + 1.0 + 1.0) == frechet_distance(first, second)

    def test_agrees_with_the_matrix_root_of_scipy(self) -> None:
        """For full covariances the formula of Heusel et al. gives the same."""
        rng = np.random.default_rng(1)
        first = normal(300, 2, 6) @ rng.normal(size=(6, 6))
        second = normal(200, 3, 6) @ rng.normal(size=(6, 6)) + 0.5
        a, b = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
        offset = first.mean(axis=0) - second.mean(axis=0)
        expected = offset @ offset + np.trace(a + b - 2 * linalg.sqrtm(a @ b).real)

        assert pytest.approx(expected, rel=1e-8) == frechet_distance(first, second)

    def test_fewer_rows_than_dimensions_stay_finite(self) -> None:
        """Singular covariances give a real number, and nothing for a set and itself."""
        few = normal(10, 4, 64).astype(np.float32)

        assert pytest.approx(0.0, abs=1e-5) == frechet_distance(few, few)
        assert frechet_distance(few, normal(12, 5, 64)) > 10

    @pytest.mark.parametrize(
        ("first", "second", "told"),
        [
            (normal(1, 0), normal(5, 0), "two rows"),
            (normal(5, 0), normal(5, 0, columns=3), r"\(N, D\)"),
            (np.full((5, 4), np.nan), normal(5, 0), "finite"),
        ],
    )
    def test_useless_embeddings_are_refused(
        self, first: NDArray[np.float64], second: NDArray[np.float64], told: str
    ) -> None:
        """One row, other columns and NaN have no distance."""
        with pytest.raises(ValueError, match=told):
            frechet_distance(first, second)


class TestKernelDistance:
    def test_is_the_unbiased_estimate(self) -> None:
        """Sums over pairs, written as loops."""
        first, second = normal(5, 0, 3), normal(4, 1, 3)

        def kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
            return float((x @ y / 3 + 1) ** 3)

        expected = (
            np.mean([kernel(x, y) for i, x in enumerate(first) for j, y in enumerate(first) if i != j])
            + np.mean([kernel(x, y) for i, x in enumerate(second) for j, y in enumerate(second) if i != j])
            - 2 * np.mean([kernel(x, y) for x in first for y in second])
        )

        assert pytest.approx(expected) == kernel_distance(first, second, seed=0).value

    def test_is_near_zero_for_one_distribution_and_not_for_two(self) -> None:
        """Within its spread for equal ones, far beyond it for shifted ones."""
        same = kernel_distance(normal(400, 0), normal(400, 1), seed=0)
        shifted = kernel_distance(normal(400, 0), normal(400, 1, mean=1.0), seed=0)

        assert abs(same.value) < 2 * same.std
        assert shifted.value > 5 * shifted.std

    def test_the_seed_decides_the_subsets(self) -> None:
        """The same seed gives the same spread, another one another."""
        spreads = [kernel_distance(normal(30, 0), normal(30, 1), seed=seed).std for seed in (1, 1, 2)]

        assert spreads[0] == spreads[1] != spreads[2]

    def test_too_few_rows_have_no_spread(self) -> None:
        """Half of three rows is less than two."""
        assert np.isnan(kernel_distance(normal(3, 0), normal(9, 1), seed=0).std)


class TestNeighbourhood:
    def test_the_same_rows_are_precise_and_covered(self) -> None:
        """Of a set and itself every share is 1; k + 1 reaches hold a row on average at least."""
        rows = normal(40, 0)

        found = neighbourhood(rows, rows)

        assert (1.0, 1.0, 1.0) == (found.precision, found.recall, found.coverage)
        assert found.density >= 1.0

    def test_one_mode_of_two_is_precise_but_covers_half(self) -> None:
        """Collapse shows in recall and coverage, not in precision."""
        near, far = normal(100, 1, scale=0.1), normal(100, 2, mean=50.0, scale=0.1)

        found = neighbourhood(normal(100, 3, scale=0.1), np.concatenate([near, far]))

        assert found.precision > 0.8
        assert pytest.approx(0.5, abs=0.1) == found.recall
        assert pytest.approx(0.5, abs=0.1) == found.coverage

    def test_far_rows_are_neither(self) -> None:
        """Everything is 0 where nothing is near."""
        found = neighbourhood(normal(20, 1, mean=99.0), normal(20, 2))

        assert (0.0, 0.0, 0.0, 0.0) == (found.precision, found.recall, found.density, found.coverage)

    def test_too_few_rows_are_refused(self) -> None:
        """Five rows have no fifth neighbour."""
        with pytest.raises(ValueError, match="more rows"):
            neighbourhood(normal(5, 0), normal(20, 1))


class TestNearestOther:
    def test_is_the_distance_to_another_row(self) -> None:
        """Not to itself, and empty where there is no other."""
        assert [1.0, 1.0, 4.0] == nearest_other(np.array([[0.0], [1.0], [5.0]])).tolist()
        assert 0 == nearest_other(np.zeros((1, 3))).size
