from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.manifold.errors import ManifoldError
from models.manifold.fitting import TRANSFORM_SEED, fit_manifold
from models.manifold.manifold import Manifold, ManifoldSpec

Rows = NDArray[np.float32]


def correlations(first: Rows, second: Rows) -> NDArray[np.float64]:
    """How well each axis of one map tells the same axis of another."""
    return np.array([np.corrcoef(first[:, axis], second[:, axis])[0, 1] for axis in range(2)])


class TestFitManifold:
    def test_the_map_is_the_one_that_umap_learn_fits_with_its_defaults(
        self, manifold: Manifold, reducer: Any, embeddings: Rows
    ) -> None:
        """Fifteen neighbours, a least distance of 0.1, two dimensions."""
        assert (reducer.embedding_ == manifold.coordinates).all()
        assert (embeddings == manifold.embeddings).all()
        assert (manifold.spec.a, manifold.spec.b) == (reducer._a, reducer._b)
        assert (15, 0.1) == (manifold.spec.n_neighbors, manifold.spec.min_dist)

    def test_projections_use_the_rates_of_umap_learn(self, manifold: Manifold, reducer: Any) -> None:
        """Which it keeps in its own attributes."""
        assert reducer.transform_seed == TRANSFORM_SEED
        assert reducer.negative_sample_rate == manifold.spec.negative_sample_rate
        assert reducer.repulsion_strength == manifold.spec.repulsion_strength
        assert manifold.spec.n_epochs == 100

    def test_random_numbers_begin_where_those_of_a_transform_do(self, manifold: Manifold) -> None:
        """Three numbers of 32 bits, drawn with its seed."""
        limits = np.iinfo(np.int32)
        expected = np.random.RandomState(42).randint(limits.min + 1, limits.max - 1, 3)

        assert tuple(expected) == manifold.spec.rng_state

    def test_the_description_can_be_stored(self, manifold: Manifold) -> None:
        """It passes its own checks."""
        assert manifold.spec == ManifoldSpec.from_json(manifold.spec.to_json())

    def test_the_same_seed_gives_the_same_map_and_another_one_another(self, embeddings: Rows) -> None:
        """With a few neighbours, to be quick."""
        first, second, other = (fit_manifold(embeddings[:120], n_neighbors=6, seed=s) for s in (4, 4, 5))

        assert (first.coordinates == second.coordinates).all()
        assert first.spec == second.spec
        assert (first.coordinates != other.coordinates).any()
        assert (4, 5) == (first.spec.seed, other.spec.seed)

    def test_other_parameters_give_another_curve(self, embeddings: Rows) -> None:
        """A larger least distance spreads the map."""
        spread = fit_manifold(embeddings[:120], n_neighbors=6, min_dist=0.8)

        assert (6, 0.8) == (spread.spec.n_neighbors, spread.spec.min_dist)
        assert spread.spec.a < 1.0

    def test_a_start_keeps_the_frame(self, manifold: Manifold, embeddings: Rows) -> None:
        """The new map is turned and mirrored as the one that it starts from."""
        rng = np.random.default_rng(0)
        changed = (embeddings + rng.normal(size=embeddings.shape) * 0.3).astype(np.float32)
        turned = np.ascontiguousarray(manifold.coordinates[:, ::-1] * np.float32([1.0, -1.0]))

        kept = fit_manifold(changed, seed=9, start=manifold.coordinates)
        other = fit_manifold(changed, seed=9, start=turned)

        assert (correlations(manifold.coordinates, kept.coordinates) > 0.6).all()
        assert (correlations(turned, other.coordinates) > 0.6).all()

    def test_inputs_stay_as_they_are(self, embeddings: Rows) -> None:
        """The start is not moved in place."""
        rows, start = embeddings[:60].copy(), embeddings[:60, :2].copy()

        fit_manifold(rows, n_neighbors=5, start=start)

        assert (embeddings[:60] == rows).all()
        assert (embeddings[:60, :2] == start).all()

    @pytest.mark.parametrize("count", [0, 1, 15])
    def test_too_few_rows_are_refused(self, embeddings: Rows, count: int) -> None:
        """The message says what can be done."""
        with pytest.raises(ManifoldError, match="set n_neighbors lower"):
            fit_manifold(embeddings[:count])

    def test_one_row_more_than_neighbours_is_enough(self, embeddings: Rows) -> None:
        """The smallest map."""
        assert len(fit_manifold(embeddings[:16])) == 16

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_rows_that_are_not_finite_are_refused(self, embeddings: Rows, value: float) -> None:
        """Before seconds are spent on them."""
        rows = embeddings.copy()
        rows[7, 3] = value

        with pytest.raises(ManifoldError, match="not finite"):
            fit_manifold(rows)

    def test_rows_that_are_no_table_are_refused(self, embeddings: Rows) -> None:
        """A single embedding is none."""
        with pytest.raises(ManifoldError):
            fit_manifold(embeddings[0])
