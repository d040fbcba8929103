from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from models.filtering.errors import FilterFitError
from models.filtering.mixture_fitting import fit_mixture, mixture_table


def clouds(*sizes: int) -> NDArray[np.float32]:
    """As many clouds, ten apart, each of unit spread."""
    rng = np.random.default_rng(0)
    parts = [rng.normal(10.0 * index, 1.0, (size, 2)) for index, size in enumerate(sizes)]
    return np.concatenate(parts).astype(np.float32)


class TestFitMixture:
    def test_is_scikit_learns(self) -> None:
        """Full covariances, in 64 bits, of the likeliest of several starts."""
        points = clouds(40, 60)
        expected = GaussianMixture(2, n_init=3, max_iter=500, random_state=7).fit(points.astype(np.float64))

        found = fit_mixture(points, 2, num_inits=3, seed=7).mixture

        assert np.allclose(expected.weights_, found.weights)
        assert np.allclose(expected.means_, found.means)
        assert np.allclose(expected.covariances_, found.covariances)

    @pytest.mark.parametrize("sizes", [(80,), (50, 50), (40, 40, 40)])
    def test_bic_finds_how_many_there_are(self, sizes: tuple[int, ...]) -> None:
        """Of 1 to 5 components, and the report shows all that were tried."""
        found = fit_mixture(clouds(*sizes), "bic", num_inits=3, seed=0)

        assert len(sizes) == len(found.mixture)
        assert [1, 2, 3, 4, 5] == list(found.bic)
        assert min(found.bic.values()) == found.bic[len(sizes)]
        assert () == found.notes

    @pytest.mark.parametrize("wanted", [2, 5, "bic"])
    def test_a_dozen_points_make_one_component(self, wanted: int) -> None:
        """And a note says why it is not as many as wanted."""
        found = fit_mixture(clouds(12), wanted, num_inits=2, seed=0)

        assert 1 == len(found.mixture)
        assert "12 aberrations suffice for 1 component of the mixture" in found.notes[0]

    @pytest.mark.parametrize(
        "points", [clouds(9), np.repeat(clouds(9), 20, axis=0), np.zeros((50, 2), np.float32)]
    )
    def test_few_different_points_are_refused(self, points: NDArray[np.float32]) -> None:
        """Copies do not count: a mixture of them would be a line, or a point."""
        with pytest.raises(FilterFitError, match="different places"):
            fit_mixture(points, 1, num_inits=1, seed=0)

    def test_points_on_a_line_are_regularised(self) -> None:
        """Their ellipse is very thin, and still one."""
        line = np.stack([np.arange(20.0), np.arange(20.0)], axis=1)

        mixture = fit_mixture(line, 1, num_inits=1, seed=0).mixture

        assert np.linalg.eigvalsh(mixture.covariances[0])[0] > 0.0

    def test_points_on_an_endless_line_are_refused(self) -> None:
        """Where regularisation is lost in rounding."""
        line = np.stack([np.arange(20.0), np.arange(20.0)], axis=1) * 1e7

        with pytest.raises(FilterFitError, match="on a line"):
            fit_mixture(line, 1, num_inits=1, seed=0)

    def test_round_clouds_are_symmetric(self) -> None:
        """Covariances next to zero differ in their last digits, which no mixture may."""
        cloud = np.random.default_rng(2).normal(size=(40, 2))
        points = np.concatenate([cloud, cloud * np.array([-1.0, 1.0])])

        covariance = fit_mixture(points + 1e-3, 1, num_inits=1, seed=0).mixture.covariances[0]

        assert covariance[0, 1] == covariance[1, 0]

    def test_the_seed_decides(self) -> None:
        """The same seed gives the same bits."""
        first, second = (fit_mixture(clouds(60), 3, num_inits=1, seed=4).mixture for _ in range(2))

        assert first.means.tobytes() == second.means.tobytes()


class TestMixtureTable:
    def test_tells_the_axes(self) -> None:
        """Standard deviations along the longer and the shorter axis."""
        mixture = fit_mixture(clouds(400), 1, num_inits=1, seed=0).mixture

        (row,) = mixture_table(mixture)

        assert 1.0 == row["weight"]
        assert row["dominant"]
        assert row["axes"][0] >= row["axes"][1]
        assert pytest.approx([1.0, 1.0], abs=0.15) == row["axes"]
