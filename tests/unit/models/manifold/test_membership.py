from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from numpy.typing import NDArray
from umap.umap_ import compute_membership_strengths, init_graph_transform, smooth_knn_dist

from models.manifold.membership import memberships, starts

Floats = NDArray[np.float32]
NUM_POINTS = 300


def distances_of(count: int, k: int, seed: int = 0) -> Floats:
    """Ascending distances of every size and spread."""
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.uniform(-3, 3, (count, 1))
    nearest = rng.uniform(0.0, 3.0, (count, 1))
    return np.sort((nearest + rng.exponential(size=(count, k))) * sizes, axis=1).astype(np.float32)


def neighbours_of(count: int, k: int) -> NDArray[np.int32]:
    """Other points for every row, none twice."""
    rng = np.random.default_rng(1)
    return np.stack([rng.permutation(NUM_POINTS)[:k] for _ in range(count)]).astype(np.int32)


def ours(distances: Floats) -> Floats:
    weights = np.full_like(distances, np.nan)
    memberships(distances, weights)
    return weights


def umaps(distances: Floats) -> Floats:
    """What umap-learn computes for each row in a call of its own."""
    k = distances.shape[1]
    found = []
    for i in range(len(distances)):
        row = distances[i : i + 1]
        scales, nearest = smooth_knn_dist(row, float(k), local_connectivity=0.0)
        indices = np.arange(k, dtype=np.int32)[None]
        found.append(compute_membership_strengths(indices, row, scales, nearest, bipartite=True)[2])
    return np.stack(found)


def our_starts(neighbours: NDArray[np.int32], weights: Floats, points: Floats) -> Floats:
    out = np.full((len(neighbours), 2), np.nan, np.float32)
    starts(neighbours, weights, points, out)
    return out


def umaps_starts(neighbours: NDArray[np.int32], weights: Floats, points: Floats) -> Floats:
    """Where umap-learn begins with each row in a call of its own."""
    k = neighbours.shape[1]
    places = []
    for row, strengths in zip(neighbours, weights, strict=True):
        entries = (strengths, (np.zeros(k, np.int32), row))
        graph = scipy.sparse.coo_matrix(entries, shape=(1, len(points))).tocsr()
        places.append(init_graph_transform(graph, points)[0])
    return np.stack(places)


@pytest.fixture(scope="module")
def points() -> Floats:
    return (np.random.default_rng(2).normal(size=(NUM_POINTS, 2)) * 5.0).astype(np.float32)


class TestMemberships:
    @pytest.mark.parametrize("k", [2, 5, 8, 15, 16, 30, 200])
    def test_strengths_are_umap_learns_of_the_row_alone(self, k: int) -> None:
        """To the last place of 32 bits."""
        distances = distances_of(100, k)

        np.testing.assert_array_max_ulp(umaps(distances), ours(distances), maxulp=1)

    @pytest.mark.parametrize("num_zeros", [1, 2, 5, 14, 15])
    def test_equal_neighbours_belong_wholly(self, num_zeros: int) -> None:
        """As in umap-learn, also where so many are equal that their strengths exceed the sum."""
        distances = distances_of(50, 15)
        distances[:, :num_zeros] = 0.0

        weights = ours(distances)

        assert (weights[:, :num_zeros] == 1.0).all()
        np.testing.assert_array_max_ulp(umaps(distances), weights, maxulp=1)

    @pytest.mark.parametrize("size", [1e-30, 1e-12, 1e12, 1e30])
    def test_distances_of_extreme_size_have_the_strengths_that_umap_learn_gives(self, size: float) -> None:
        """Where the halving ends before it has found the scale as well."""
        distances = distances_of(30, 15) * np.float32(size)

        np.testing.assert_array_max_ulp(umaps(distances), ours(distances), maxulp=1)

    def test_strengths_without_the_nearest_sum_to_the_logarithm_of_k(self) -> None:
        """Which is what the scale is chosen for."""
        sums = ours(distances_of(100, 15))[:, 1:].sum(axis=1, dtype=np.float64)

        assert sums == pytest.approx(np.full(100, np.log2(15)), abs=2e-5)

    def test_equal_distances_have_equal_strengths(self) -> None:
        """A neighbour's place in the list does not matter."""
        weights = ours(np.full((1, 15), 2.5, np.float32))

        assert (weights == weights[0, 0]).all()
        assert weights[0, 0] == pytest.approx(np.log2(15) / 14, abs=1e-5)

    def test_a_row_alone_has_the_same_bits(self) -> None:
        """As in any company."""
        distances = distances_of(40, 15)

        alone = [ours(distances[i : i + 1])[0] for i in range(40)]

        assert (ours(distances) == np.stack(alone)).all()


class TestStarts:
    @pytest.mark.parametrize("k", [2, 5, 7, 8, 9, 15, 16, 17, 30, 64, 100, 128])
    def test_starts_are_umap_learns_to_the_bit(self, k: int, points: Floats) -> None:
        """Random numbers follow from these bits."""
        neighbours, weights = neighbours_of(100, k), ours(distances_of(100, k))

        expected = umaps_starts(neighbours, weights, points)

        assert (expected == our_starts(neighbours, weights, points)).all()

    def test_a_row_that_equals_a_point_starts_on_it(self, points: Floats) -> None:
        """On that with the lowest number, if it equals several."""
        neighbours, distances = neighbours_of(40, 15), distances_of(40, 15)
        distances[:, 0] = 0.0
        distances[20:, :3] = 0.0
        weights = ours(distances)

        begun = our_starts(neighbours, weights, points)

        assert (points[neighbours[:20, 0]] == begun[:20]).all()
        assert (points[neighbours[20:, :3].min(axis=1)] == begun[20:]).all()
        assert (umaps_starts(neighbours, weights, points) == begun).all()

    def test_the_order_of_neighbours_does_not_matter(self, points: Floats) -> None:
        """They are added up by number, so ties between distances move nothing."""
        neighbours, weights = neighbours_of(30, 15), ours(distances_of(30, 15))
        order = np.random.default_rng(3).permutation(15)

        turned = our_starts(neighbours[:, order].copy(), weights[:, order].copy(), points)

        assert (our_starts(neighbours, weights, points) == turned).all()

    def test_a_row_alone_has_the_same_bits(self, points: Floats) -> None:
        """As in any company."""
        neighbours, weights = neighbours_of(40, 15), ours(distances_of(40, 15))

        alone = [our_starts(neighbours[i : i + 1], weights[i : i + 1], points)[0] for i in range(40)]

        assert (our_starts(neighbours, weights, points) == np.stack(alone)).all()
