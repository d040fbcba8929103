from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis
from sklearn.mixture import GaussianMixture

from models.filtering.errors import FilterError
from models.filtering.mixture import Mixture, level_of, m2_of

ONE = np.eye(2)[None]
ORIGIN = np.zeros((1, 2))


def points(count: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0.0, 8.0, (count, 2))


class TestMahalanobis2:
    @settings(deadline=None)
    @given(
        centre=arrays(np.float64, 2, elements=st.floats(-50, 50)),
        root=arrays(np.float64, (2, 2), elements=st.floats(-5, 5)),
        point=arrays(np.float64, 2, elements=st.floats(-50, 50)),
    )
    def test_is_the_distance_of_scipy(
        self, centre: NDArray[np.float64], root: NDArray[np.float64], point: NDArray[np.float64]
    ) -> None:
        """Of any component and point."""
        covariance = root @ root.T + np.eye(2)
        mixture = Mixture(np.ones(1), centre[None], covariance[None])

        found = mixture.mahalanobis2(point[None], 0)

        assert pytest.approx(mahalanobis(point, centre, np.linalg.inv(covariance)) ** 2, abs=1e-9) == found[0]

    def test_a_point_is_the_same_bits_alone(self, mixture: Mixture) -> None:
        """Whatever lies beside it."""
        many = points(1001, 0).astype(np.float32)

        together = mixture.mahalanobis2(many, 1)

        alone = np.concatenate([mixture.mahalanobis2(many[i : i + 1], 1) for i in range(len(many))])
        assert together.tobytes() == alone.tobytes()
        assert level_of(together).tobytes() == level_of(alone).tobytes()


class TestComponentOf:
    def test_agrees_with_scikit_learn(self) -> None:
        """On a fitted mixture, every point goes to the component that `predict` names."""
        rng = np.random.default_rng(1)
        cloud = np.concatenate([rng.normal(0, 1, (60, 2)), rng.normal(4, 2, (90, 2))])
        fitted = GaussianMixture(3, random_state=0).fit(cloud)
        mixture = Mixture(fitted.weights_, fitted.means_, fitted.covariances_)
        many = points(500, 2)

        assert fitted.predict(many).tolist() == mixture.component_of(many).tolist()
        assert fitted.weights_.argmax() == mixture.dominant


class TestOutline:
    @settings(deadline=None)
    @given(level=st.floats(0.001, 0.999))
    def test_runs_at_the_level(self, level: float) -> None:
        """Every point of the line needs exactly this level, and the line is closed."""
        mixture = Mixture(np.ones(1), np.array([[3.0, -1.0]]), np.array([[[4.0, 1.5], [1.5, 2.0]]]))

        line = mixture.outline(level, 0)

        assert pytest.approx(np.full(len(line), level)) == level_of(mixture.mahalanobis2(line, 0))
        assert np.allclose(line[0], line[-1])

    def test_holds_the_share_of_the_mass(self, mixture: Mixture) -> None:
        """A level is the share of a component's own points inside."""
        rng = np.random.default_rng(3)
        drawn = rng.multivariate_normal(mixture.means[1], mixture.covariances[1], 20_000)

        inside = level_of(mixture.mahalanobis2(drawn, 1)) <= 0.7

        assert pytest.approx(0.7, abs=0.01) == inside.mean()

    def test_of_everything_is_no_line(self, mixture: Mixture) -> None:
        """Level 1 holds the whole plane."""
        assert (0, 2) == mixture.outline(1.0, 0).shape


class TestLevels:
    @settings(deadline=None)
    @given(level=st.floats(0.0, 0.9999))
    def test_are_inverse_to_distances(self, level: float) -> None:
        """From a level to a distance and back."""
        assert pytest.approx(level, abs=1e-12) == level_of(np.array([m2_of(level)]))[0]

    def test_end_at_one(self) -> None:
        """An infinite ellipse has level 1, and nothing needs more."""
        assert math.isinf(m2_of(1.0))
        assert [0.0, 1.0, 1.0] == level_of(np.array([0.0, 1e6, math.inf])).tolist()

    @pytest.mark.parametrize("level", [-0.1, 1.1, math.nan])
    def test_lie_between_0_and_1(self, level: float) -> None:
        """Other numbers are refused."""
        with pytest.raises(FilterError, match="between 0 and 1"):
            m2_of(level)


class TestMixture:
    @pytest.mark.parametrize(
        ("weights", "means", "covariances", "told"),
        [
            (np.empty(0), np.empty((0, 2)), np.empty((0, 2, 2)), "components"),
            (np.ones((1, 1)), ORIGIN, ONE, "components"),
            (np.full(33, 1 / 33), np.zeros((33, 2)), np.repeat(ONE, 33, axis=0), "components"),
            (np.ones(1), np.zeros((1, 3)), ONE, "means"),
            (np.ones(1), ORIGIN, np.eye(3)[None], "covariances"),
            (np.ones(1), np.full((1, 2), np.nan), ONE, "finite"),
            (np.array([0.5]), ORIGIN, ONE, "add up"),
            (np.array([1.5, -0.5]), np.zeros((2, 2)), np.repeat(ONE, 2, axis=0), "positive"),
            (np.ones(1), ORIGIN, np.array([[[1.0, 0.5], [0.0, 1.0]]]), "symmetric"),
            (np.ones(1), ORIGIN, np.array([[[1.0, 2.0], [2.0, 1.0]]]), "positive definite"),
            (np.ones(1), ORIGIN, np.zeros((1, 2, 2)), "positive definite"),
        ],
    )
    def test_refuses_what_is_none(
        self,
        weights: NDArray[np.float64],
        means: NDArray[np.float64],
        covariances: NDArray[np.float64],
        told: str,
    ) -> None:
        """Sizes, weights and covariances must be those of a mixture."""
        with pytest.raises(FilterError, match=told):
            Mixture(weights, means, covariances)

    def test_tells_plain_numbers(self, mixture: Mixture) -> None:
        """For a manifest."""
        told = mixture.to_json()

        assert [0.3, 0.7] == told["weights"]
        assert 1 == told["dominant"]
