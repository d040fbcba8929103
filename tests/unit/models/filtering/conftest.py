"""A small map that was drawn by hand, and one filter of each method on it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from models.filtering.filter import Filter, FilterSpec
from models.filtering.fitting import own_distances_of
from models.filtering.mixture import Mixture
from models.filtering.rule_fitting import whitening_of
from models.filtering.rules.ellipse import EllipseRule
from models.filtering.rules.face import Method, Rule
from models.filtering.rules.keep_all import KeepAllRule
from models.filtering.rules.knn import KnnRule
from models.filtering.rules.mahalanobis import MahalanobisRule
from models.filtering.rules.probability import ProbabilityRule
from models.manifold.manifold import Manifold, ManifoldSpec
from models.quality.stopping import never_stop

DIMENSIONS = 6
NUM_NORMALS, NUM_ABERRATIONS = 70, 40
SPEC = ManifoldSpec(
    n_neighbors=8,
    min_dist=0.1,
    a=1.577,
    b=0.895,
    seed=3,
    rng_state=(101, -2002, 30003),
    n_epochs=30,
    negative_sample_rate=5,
    repulsion_strength=1.0,
)


def crops(num_normals: int, num_aberrations: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Embeddings whose aberrations lie two standard deviations apart in every dimension, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_normals + num_aberrations) >= num_normals
    rows = rng.normal(size=(len(labels), DIMENSIONS)) + 2.0 * labels[:, None]
    return rows.astype(np.float32), labels


@pytest.fixture(scope="session")
def labels() -> NDArray[np.bool_]:
    return crops(NUM_NORMALS, NUM_ABERRATIONS, 0)[1]


@pytest.fixture(scope="session")
def manifold() -> Manifold:
    """The first two dimensions, stretched."""
    embeddings = crops(NUM_NORMALS, NUM_ABERRATIONS, 0)[0]
    return Manifold(SPEC, embeddings, np.ascontiguousarray(3.0 * embeddings[:, :2], np.float32))


@pytest.fixture(scope="session")
def mixture() -> Mixture:
    return Mixture(
        np.array([0.3, 0.7]),
        np.array([[0.0, 1.0], [6.0, 6.0]]),
        np.array([[[4.0, 0.0], [0.0, 1.0]], [[9.0, 3.0], [3.0, 8.0]]]),
    )


@pytest.fixture(scope="session")
def rows() -> NDArray[np.float32]:
    """Fresh embeddings: of both classes, and far from either."""
    fresh = crops(40, 40, 1)[0]
    return np.concatenate([fresh, fresh[::5] * np.float32(20.0)])


@pytest.fixture(scope="session")
def make_rule(manifold: Manifold, labels: NDArray[np.bool_], mixture: Mixture) -> Callable[[Method], Rule]:
    def make(method: Method) -> Rule:
        aberrations = manifold.embeddings[labels]
        rng = np.random.default_rng(5)
        if method == "umap":
            return EllipseRule(mixture)
        if method == "mahalanobis":
            whitening = whitening_of(aberrations)
            return MahalanobisRule(whitening, np.sort(whitening.mahalanobis2(aberrations)))
        if method == "knn":
            own = KnnRule.own_distances(aberrations, 5, threads=1, check=never_stop)
            return KnnRule(aberrations, 5, np.sort(own))
        if method == "probability":
            weight = rng.normal(size=(2, DIMENSIONS)).astype(np.float32)
            return ProbabilityRule(weight, np.array([0.1, -0.4], np.float32), 1.7)
        return KeepAllRule()

    return make


@pytest.fixture(scope="session")
def make_filter(
    manifold: Manifold, labels: NDArray[np.bool_], make_rule: Callable[[Method], Rule]
) -> Callable[..., Filter]:
    own_distances = own_distances_of(manifold)

    def make(method: Method = "umap", level: float = 0.7, max_percentile: float | None = None) -> Filter:
        spec = FilterSpec(method, level, "Chosen for a test.", max_percentile, "translocation/3", "ab" * 32)
        return Filter(spec, manifold, make_rule(method), own_distances, labels)

    return make
