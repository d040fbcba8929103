from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from models.filtering.errors import FilterError
from models.filtering.filter import Filter, FilterSpec
from models.filtering.rules.face import METHODS, Method, Rule
from models.filtering.rules.probability import ProbabilityRule
from models.filtering.scores import FilterScores
from models.manifold.errors import ManifoldError
from models.manifold.manifold import Manifold

Filters = Callable[..., Filter]

SPEC = FilterSpec("umap", 0.7, "Chosen for a test.", None, "translocation/3", "ab" * 32)


def bits(scores: FilterScores) -> list[bytes]:
    return [np.ascontiguousarray(value).tobytes() for value in vars(scores).values()]


class TestFilterSpec:
    @pytest.mark.parametrize("gate", [None, 99.0])
    def test_survives_as_json(self, gate: float | None) -> None:
        """In a manifest."""
        spec = replace(SPEC, max_percentile=gate)

        assert spec == FilterSpec.from_json(spec.to_json())

    @pytest.mark.parametrize(
        "change",
        [
            {"method": "tsne"},
            {"method": 3},
            {"level": -0.1},
            {"level": 1.1},
            {"level": float("nan")},
            {"level": "0.5"},
            {"level": True},
            {"level_reason": None},
            {"max_percentile": 101.0},
            {"max_percentile": "99"},
            {"classifier": 3},
            {"classifier_sha256": "abc"},
            {"classifier_sha256": "G" * 64},
            {"further": 1},
        ],
    )
    def test_refuses_other_entries(self, change: dict[str, Any]) -> None:
        """Wrong types, values out of range, and what it does not know."""
        with pytest.raises(FilterError):
            FilterSpec.from_json(SPEC.to_json() | change)

    def test_refuses_missing_entries(self) -> None:
        """Nothing is assumed."""
        with pytest.raises(FilterError, match="entries"):
            FilterSpec.from_json({"method": "umap"})


class TestScore:
    @pytest.mark.parametrize("method", METHODS)
    def test_says_where_how_typical_and_how_far(
        self, make_filter: Filters, manifold: Manifold, rows: NDArray[np.float32], method: Method
    ) -> None:
        """Every method carries the map and the distances; only the rule differs."""
        found = make_filter(method).score(rows)

        expected = np.sort(cdist(rows, manifold.embeddings), axis=1)[:, : manifold.spec.n_neighbors]
        assert len(rows) == len(found)
        assert manifold.project(rows).coordinates.tobytes() == found.coordinates.tobytes()
        assert np.allclose(expected.mean(axis=1), found.knn_distance, rtol=1e-5)
        assert ((found.knn_percentile >= 0.0) & (found.knn_percentile <= 100.0)).all()

    @settings(max_examples=10, deadline=None)
    @given(order=st.permutations(range(24)), cuts=st.lists(st.integers(0, 24), max_size=3).map(sorted))
    def test_a_row_has_the_same_bits_in_any_batch(
        self, make_filter: Filters, rows: NDArray[np.float32], order: list[int], cuts: list[int]
    ) -> None:
        """Whatever its neighbours in the batch, the order, and the number of threads."""
        one, some = make_filter(), np.ascontiguousarray(rows[::4])
        expected = one.score(some, threads=2)

        parts = [one.score(some[part]) for part in np.split(np.array(order), cuts)]

        back = np.argsort(order)
        for name, value in vars(expected).items():
            joined = np.concatenate([getattr(part, name) for part in parts])
            assert value.tobytes() == joined[back].tobytes()

    def test_the_level_is_no_part_of_the_scores(
        self, make_filter: Filters, rows: NDArray[np.float32]
    ) -> None:
        """Moving it needs neither a projection nor a distance."""
        low, high = (
            make_filter(level=0.1).score(rows),
            make_filter(level=0.9, max_percentile=50.0).score(rows),
        )

        assert bits(low) == bits(high)
        assert low.kept(0.1).sum() < low.kept(0.9).sum()

    def test_far_rows_are_beyond_every_percentile(
        self, make_filter: Filters, rows: NDArray[np.float32]
    ) -> None:
        """The second gate rejects what the map would pull into the cloud."""
        found = make_filter().score(np.float32(100.0) + rows)

        assert {100.0} == set(found.knn_percentile.tolist())
        assert not found.kept(1.0, 99.0).any()

    def test_no_rows_have_no_scores(self, make_filter: Filters) -> None:
        """An empty batch is no error."""
        found = make_filter().score(np.empty((0, 6), np.float32))

        assert (0, 2) == found.coordinates.shape
        assert 0 == len(found) == len(found.kept(0.5))

    @pytest.mark.parametrize(
        "odd",
        [
            np.zeros((2, 5), np.float32),
            np.full((1, 6), np.nan, np.float32),
            np.full((1, 6), 1e30, np.float32),
            np.zeros(6, np.float32),
        ],
    )
    def test_useless_rows_are_refused(self, make_filter: Filters, odd: NDArray[np.float32]) -> None:
        """Another width, NaN, numbers whose squares overflow, or a row without a batch."""
        with pytest.raises(ManifoldError):
            make_filter().score(odd)

    def test_can_be_stopped(self, make_filter: Filters, rows: NDArray[np.float32]) -> None:
        """A check that raises ends the work."""

        def stop() -> None:
            raise TimeoutError

        with pytest.raises(TimeoutError):
            make_filter().score(rows, check=stop)


class TestKnn:
    def test_is_a_part_of_the_scores(self, make_filter: Filters, rows: NDArray[np.float32]) -> None:
        """The same bits without projecting."""
        scores = make_filter().score(rows)

        distance, percentile = make_filter().knn(rows)

        assert scores.knn_distance.tobytes() == distance.tobytes()
        assert scores.knn_percentile.tobytes() == percentile.tobytes()

    def test_fresh_normal_rows_are_rarely_beyond(self, make_filter: Filters) -> None:
        """Rows like the training rows have evenly spread percentiles, or nearly so."""
        rng = np.random.default_rng(7)
        fresh = rng.normal(size=(400, 6)).astype(np.float32)

        _, percentile = make_filter().knn(fresh)

        assert 0.005 < (percentile > 90.0).mean() < 0.25


class TestFilter:
    def test_knows_its_aberrations(self, make_filter: Filters, labels: NDArray[np.bool_]) -> None:
        """By row, and whether it has a mixture."""
        assert np.flatnonzero(labels).tolist() == make_filter().aberrations.tolist()
        assert make_filter("umap").mixture is not None
        assert make_filter("knn").mixture is None

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"spec": replace(SPEC, method="knn")}, "the rule is umap"),
            ({"own_distances": np.arange(5.0)}, "110 distances"),
            ({"own_distances": np.arange(110.0)[::-1]}, "ascending"),
            ({"labels": np.zeros(5, np.bool_)}, "110 labels"),
        ],
    )
    def test_refuses_parts_of_different_filters(
        self, make_filter: Filters, manifold: Manifold, change: dict[str, Any], told: str
    ) -> None:
        """Method, distances and labels belong to one map."""
        whole = make_filter()
        parts: dict[str, Any] = {
            "spec": whole.spec,
            "manifold": manifold,
            "rule": whole.rule,
            "own_distances": whole.own_distances,
            "labels": whole.labels,
        }

        with pytest.raises(ValueError, match=told):
            Filter(**(parts | change))

    def test_refuses_a_rule_for_other_embeddings(self, make_filter: Filters, manifold: Manifold) -> None:
        """A head of seven values does not read six."""
        whole = make_filter()
        rule: Rule = ProbabilityRule(np.zeros((2, 7), np.float32), np.zeros(2, np.float32), 1.0)

        with pytest.raises(FilterError, match="7 values"):
            Filter(replace(SPEC, method="probability"), manifold, rule, whole.own_distances, whole.labels)
