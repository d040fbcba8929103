from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from models.filtering.errors import FilterError
from models.filtering.rules.face import METHODS, Method, Rule
from models.filtering.rules.knn import KnnRule
from models.filtering.rules.loading import ARRAY_DTYPES, rule_from
from models.filtering.rules.mahalanobis import MahalanobisRule, Whitening
from models.filtering.rules.probability import ProbabilityRule
from models.filtering.scores import Judgement
from models.manifold.manifold import Manifold

Rules = Callable[[Method], Rule]


def laid(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coordinates on the hand-drawn map."""
    return np.ascontiguousarray(3.0 * rows[:, :2], np.float32)


def bits(judged: Judgement) -> list[bytes]:
    return [judged.component.tobytes(), judged.mahalanobis2.tobytes(), judged.needed_level.tobytes()]


class TestEveryRule:
    @pytest.mark.parametrize("method", METHODS)
    @settings(max_examples=20, deadline=None)
    @given(cuts=st.lists(st.integers(0, 96), max_size=4).map(sorted))
    def test_judges_a_row_alike_in_any_batch(
        self, make_rule: Rules, rows: NDArray[np.float32], method: Method, cuts: list[int]
    ) -> None:
        """However the rows are split, the bits are the same."""
        rule = make_rule(method)

        whole = rule.judge(rows, laid(rows))

        parts = [rule.judge(part, laid(part)) for part in np.split(rows, cuts)]
        joined = Judgement(
            np.concatenate([part.component for part in parts]),
            np.concatenate([part.mahalanobis2 for part in parts]),
            np.concatenate([part.needed_level for part in parts]),
        )
        assert bits(whole) == bits(joined)

    @pytest.mark.parametrize("method", METHODS)
    def test_needs_levels_between_0_and_1(
        self, make_rule: Rules, rows: NDArray[np.float32], method: Method
    ) -> None:
        """Level 1 keeps everything, of finite rows however far."""
        needed = make_rule(method).judge(rows, laid(rows)).needed_level

        assert needed.dtype == np.float64
        assert ((needed >= 0.0) & (needed <= 1.0)).all()

    @pytest.mark.parametrize("method", METHODS)
    def test_survives_as_arrays(
        self,
        make_rule: Rules,
        manifold: Manifold,
        labels: NDArray[np.bool_],
        rows: NDArray[np.float32],
        method: Method,
    ) -> None:
        """Made again of its arrays, which are the promised ones, it judges with the same bits."""
        rule = make_rule(method)
        arrays = rule.arrays()

        again = rule_from(method, arrays, manifold.embeddings[labels])

        assert {name: array.dtype for name, array in arrays.items()} == ARRAY_DTYPES[method]
        assert rule.method == again.method == method
        assert rule.to_json() == again.to_json()
        assert bits(rule.judge(rows, laid(rows))) == bits(again.judge(rows, laid(rows)))


class TestMahalanobisRule:
    def test_is_the_distance_of_the_shrunk_covariance(
        self, make_rule: Rules, manifold: Manifold, labels: NDArray[np.bool_], rows: NDArray[np.float32]
    ) -> None:
        """As scikit-learn's Ledoit-Wolf estimator gives it."""
        from sklearn.covariance import LedoitWolf  # noqa: PLC0415 - only this test needs it

        fitted = LedoitWolf().fit(manifold.embeddings[labels].astype(np.float64))

        found = make_rule("mahalanobis").judge(rows, laid(rows))

        assert np.allclose(fitted.mahalanobis(rows.astype(np.float64)), found.mahalanobis2, rtol=1e-9)
        assert {-1} == set(found.component.tolist())

    def test_needs_the_share_of_nearer_aberrations(self) -> None:
        """The centre needs level 0, what is beyond all references level 1."""
        rule = MahalanobisRule(Whitening(np.zeros(2), np.eye(2)), np.array([1.0, 4.0, 9.0, 16.0]))
        points = np.array([[0, 0], [2, 0], [0, 2.5], [9, 9]], np.float32)

        assert [0.0, 0.25, 0.5, 1.0] == rule.judge(points, points).needed_level.tolist()

    @pytest.mark.parametrize(
        ("mean", "matrix", "told"),
        [
            (np.zeros(2), np.eye(3), "does not fit"),
            (np.zeros((2, 1)), np.eye(2), "does not fit"),
            (np.array([0.0, np.nan]), np.eye(2), "finite"),
            (np.zeros(2), np.array([[1.0, 0.0], [1.0, 1.0]]), "upper triangular"),
            (np.zeros(2), np.diag([1.0, 0.0]), "positive diagonal"),
        ],
    )
    def test_refuses_other_matrices(
        self, mean: NDArray[np.float64], matrix: NDArray[np.float64], told: str
    ) -> None:
        """A whitening that is none would give distances that are none."""
        with pytest.raises(FilterError, match=told):
            Whitening(mean, matrix)


class TestKnnRule:
    def test_compares_with_the_aberrations_own_distances(
        self, make_rule: Rules, manifold: Manifold, labels: NDArray[np.bool_], rows: NDArray[np.float32]
    ) -> None:
        """Mean distance to the five nearest, as scipy finds it; an aberration is not its own neighbour."""
        aberrations = manifold.embeddings[labels]
        rule = make_rule("knn")
        assert isinstance(rule, KnnRule)
        own = np.sort(np.sort(cdist(aberrations, aberrations), axis=1)[:, 1:6].mean(axis=1))
        mean = np.sort(cdist(rows, aberrations), axis=1)[:, :5].mean(axis=1)

        found = rule.judge(rows, laid(rows))

        assert np.allclose(own, rule.references, rtol=1e-5)
        expected = (own[None, :] < mean[:, None]).mean(axis=1)
        assert np.allclose(expected, found.needed_level, atol=1.5 / len(own))

    @pytest.mark.parametrize(
        ("num_neighbours", "references", "told"),
        [(0, 4, "neighbours"), (4, 4, "neighbours"), (2, 3, "as many")],
    )
    def test_refuses_what_does_not_fit_together(
        self, num_neighbours: int, references: int, told: str
    ) -> None:
        """Four aberrations have three neighbours each, and four distances."""
        with pytest.raises(FilterError, match=told):
            KnnRule(np.zeros((4, 2), np.float32), num_neighbours, np.arange(float(references)))


class TestProbabilityRule:
    def test_is_the_classifiers_probability(self, make_rule: Rules, rows: NDArray[np.float32]) -> None:
        """1 - needed level is what the classifier itself says of the logits."""
        from models.classification.classifier import probabilities  # noqa: PLC0415 - the only user of torch

        rule = make_rule("probability")
        assert isinstance(rule, ProbabilityRule)
        logits = rows.astype(np.float64) @ rule.head_weight.T.astype(np.float64) + rule.head_bias

        found = rule.judge(rows, laid(rows)).needed_level

        assert np.allclose(probabilities(logits, rule.temperature), 1.0 - found, atol=1e-12)

    @pytest.mark.parametrize(
        ("weight", "bias", "temperature", "told"),
        [
            (np.zeros((3, 4)), np.zeros(2), 1.0, r"\(2, D\)"),
            (np.zeros(4), np.zeros(2), 1.0, r"\(2, D\)"),
            (np.zeros((2, 4)), np.zeros(3), 1.0, r"\(2, D\)"),
            (np.full((2, 4), np.inf), np.zeros(2), 1.0, "finite"),
            (np.zeros((2, 4)), np.zeros(2), 0.0, "positive"),
            (np.zeros((2, 4)), np.zeros(2), np.nan, "positive"),
        ],
    )
    def test_refuses_other_heads(
        self, weight: NDArray[np.float32], bias: NDArray[np.float32], temperature: float, told: str
    ) -> None:
        """Three classes, NaN, or a temperature of 0 make no probability."""
        with pytest.raises(FilterError, match=told):
            ProbabilityRule(weight, bias, temperature)


class TestKeepAllRule:
    def test_needs_no_level(self, make_rule: Rules, rows: NDArray[np.float32]) -> None:
        """Even level 0 keeps everything."""
        assert not make_rule("none").judge(rows, laid(rows)).needed_level.any()
