"""What a map refuses: rows that are none of its own, and descriptions that place nothing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from models.manifold.errors import ManifoldError
from models.manifold.manifold import Manifold, ManifoldSpec
from models.manifold.neighbours import NeighbourSearch

SPEC = ManifoldSpec(n_neighbors=3, min_dist=0.1, a=1.5, b=0.9, seed=0, rng_state=(1, 2, 3))


def _manifold() -> Manifold:
    rng = np.random.default_rng(0)
    return Manifold(SPEC, rng.normal(size=(12, 4)).astype(np.float32), np.zeros((12, 2), np.float32))


class TestExcluded:
    """Training rows that are not to be neighbours."""

    @pytest.mark.parametrize("excluded", [np.array([0]), np.zeros((2, 1), np.int64), np.array([0.0, 1.0])])
    def test_one_whole_number_per_row_is_asked_for(self, excluded: Any) -> None:
        """A list of another length would be read beyond its end."""
        with pytest.raises(ManifoldError, match="one number"):
            _manifold().project(np.zeros((2, 4), np.float32), excluded=excluded)

    @pytest.mark.parametrize("number", [-2, 12])
    def test_it_must_be_a_training_row(self, number: int) -> None:
        """Anything else would exclude nothing, unnoticed."""
        with pytest.raises(ManifoldError, match="0 to 11"):
            _manifold().nearest(np.zeros((1, 4), np.float32), excluded=np.array([number]))


class TestSpec:
    """The description of a map."""

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("n_neighbors", 3.9),
            ("n_neighbors", 0),
            ("seed", True),
            ("min_dist", float("nan")),
            ("min_dist", -0.1),
            ("rng_state", [1, 2, 3, 4]),
            ("rng_state", [1, 2]),
            ("rng_state", [1, 2, 2**31]),
            ("n_epochs", 0),
            ("a", 0),
            ("b", "wide"),
        ],
    )
    def test_impossible_values_are_refused(self, name: str, value: object) -> None:
        """Nothing is rounded, cut or guessed."""
        with pytest.raises(ManifoldError):
            ManifoldSpec.from_json(SPEC.to_json() | {name: value})

    def test_it_survives_json(self) -> None:
        """What is written is what is read."""
        assert ManifoldSpec.from_json(json.loads(json.dumps(SPEC.to_json()))) == SPEC

    def test_a_map_checks_its_description(self) -> None:
        """However it was made."""
        spec = ManifoldSpec(n_neighbors=0, min_dist=0.1, a=1.5, b=0.9, seed=0, rng_state=(1, 2, 3))
        with pytest.raises(ManifoldError, match="neighbours"):
            Manifold(spec, np.zeros((5, 4), np.float32), np.zeros((5, 2), np.float32))

    def test_missing_arrays_are_named(self) -> None:
        """A file may lack one."""
        with pytest.raises(ManifoldError, match="coordinates"):
            Manifold.from_arrays(SPEC, {"embeddings": np.zeros((5, 4), np.float32)})


class TestTinyNumbers:
    """Distances whose squares hardly exist in 32 bits."""

    def test_neighbours_are_right_where_bounds_underflow(self) -> None:
        """Bounds that round to nothing rule nothing out."""
        rng = np.random.default_rng(1)
        points = (rng.normal(size=(300, 8)) * 1e-22).astype(np.float32)
        rows = (rng.normal(size=(100, 8)) * 1e-22).astype(np.float32)
        indices, _ = NeighbourSearch(points).nearest(rows, 5)
        distances = np.linalg.norm(rows[:, None].astype(np.float64) - points[None], axis=2)
        assert np.array_equal(indices, np.argsort(distances, axis=1)[:, :5])
