from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from models.classification.metrics import (
    Confusion,
    Curve,
    Scored,
    average_precision,
    brier,
    checked_labels,
    confusion_at,
    expected_calibration_error,
    log_odds,
    per_chromosome,
    pr_curve,
    probabilities_of,
    reliability,
    roc_auc,
    roc_curve,
)

NONE = np.zeros(0, np.int64)
NO_SCORES = np.zeros(0)

# Few distinct values, so that ties are common.
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), min_size=1, max_size=60)


def arrays(rows: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return labels and probabilities."""
    return np.array([label for label, _ in rows]), np.array([score for _, score in rows]) / 12


def scored(odds: list[float], labels: list[int], chromosomes: list[int], groups: list[int]) -> Scored:
    """Scored crops of up to three slides."""
    return Scored(np.array(odds), np.array(labels), np.array(groups), np.array(chromosomes), ("a", "b", "c"))


class TestConfusion:
    @given(ROWS, st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    @settings(max_examples=60, deadline=None)
    def test_rates_are_those_of_scikit_learn(self, rows: list[tuple[int, int]], threshold: float) -> None:
        """Precision, recall and F1 agree with `zero_division=0` wherever there is an aberration."""
        labels, probabilities = arrays(rows)
        expected = sk.precision_recall_fscore_support(
            labels, probabilities >= threshold, average="binary", zero_division=0
        )[:3]

        verdicts = confusion_at(labels, probabilities, threshold)

        if labels.any():
            assert expected == pytest.approx((verdicts.precision, verdicts.recall, verdicts.f1))
        assert len(labels) == sum(vars(verdicts).values())

    def test_a_probability_at_the_threshold_is_flagged(self) -> None:
        """The threshold is the least probability of an aberration."""
        assert Confusion(1, 0, 0, 1) == confusion_at(np.array([1, 0]), np.array([0.5, 0.499]), 0.5)

    def test_nothing_flagged_has_precision_nought(self) -> None:
        """A network that finds nothing scores 0 and does not drop out of a mean."""
        verdicts = Confusion(0, 0, 3, 5)

        assert (0.0, 0.0, 0.0) == (verdicts.precision, verdicts.recall, verdicts.f1)

    def test_without_aberrations_rates_are_undefined(self) -> None:
        """Recall and F1 are NaN, and precision is 0 only if something was flagged."""
        assert np.isnan([Confusion(0, 0, 0, 4).precision, Confusion(0, 0, 0, 4).recall]).all()
        assert np.isnan(Confusion(0, 2, 0, 4).f1)
        assert 0.0 == Confusion(0, 2, 0, 4).precision

    def test_pooling_adds_counts(self) -> None:
        """Two sets make one."""
        assert Confusion(5, 5, 5, 5) == Confusion(1, 2, 3, 4) + Confusion(4, 3, 2, 1)


class TestLogOdds:
    @given(st.lists(st.tuples(st.floats(-30, 30), st.floats(-30, 30)), min_size=1, max_size=20))
    @settings(max_examples=40, deadline=None)
    def test_probability_is_the_softmax(self, rows: list[tuple[float, float]]) -> None:
        """The sigmoid of the log-odds is the second entry of the softmax."""
        logits = np.array(rows)
        powers = np.exp(logits / 2.0)

        np.testing.assert_allclose(
            powers[:, 1] / powers.sum(axis=1), probabilities_of(logits, 2.0), rtol=1e-9, atol=1e-300
        )

    @pytest.mark.parametrize(
        ("logits", "temperature", "message"),
        [
            (np.zeros((4, 3)), 1.0, r"expected \(N, 2\)"),
            (np.zeros(4), 1.0, r"expected \(N, 2\)"),
            (np.array([[0.0, np.nan]]), 1.0, "not finite"),
            (np.zeros((4, 2)), 0.0, "Temperature"),
            (np.zeros((4, 2)), float("nan"), "Temperature"),
        ],
    )
    def test_refuses_what_is_no_logit(self, logits: NDArray[Any], temperature: float, message: str) -> None:
        """Other shapes, gaps and temperatures raise."""
        with pytest.raises(ValueError, match=message):
            log_odds(logits, temperature)

    def test_nothing_gives_nothing(self) -> None:
        """No crop has no log-odds."""
        assert (0,) == log_odds(np.zeros((0, 2), np.float32)).shape


class TestLabels:
    def test_refuses_a_third_class(self) -> None:
        """Only normal and aberration are labels."""
        with pytest.raises(ValueError, match="Labels are 0"):
            checked_labels([0, 1, 2], 3)

    def test_refuses_another_length(self) -> None:
        """Every score has a label."""
        with pytest.raises(ValueError, match="2 labels for 3 scores"):
            checked_labels([0, 1], 3)


class TestRanking:
    @given(ROWS)
    @settings(max_examples=60, deadline=None)
    def test_area_is_the_chance_of_a_right_order(self, rows: list[tuple[int, int]]) -> None:
        """ROC AUC counts pairs of an aberration and a normal one, ties half."""
        labels, scores = arrays(rows)
        pairs = scores[labels == 1][:, None] - scores[labels == 0][None, :]
        expected = np.mean((pairs > 0) + 0.5 * (pairs == 0)) if pairs.size else float("nan")

        assert expected == pytest.approx(roc_auc(labels, scores), nan_ok=True)

    @given(ROWS)
    @settings(max_examples=60, deadline=None)
    def test_average_precision_is_the_area_under_the_steps(self, rows: list[tuple[int, int]]) -> None:
        """AP is the area under the drawn precision-recall curve, step by step."""
        labels, scores = arrays(rows)
        curve = pr_curve(labels, scores)
        expected = float((np.diff(curve.x) * curve.y[1:]).sum()) if labels.any() else float("nan")

        assert expected == pytest.approx(average_precision(labels, scores), nan_ok=True)

    def test_one_class_has_no_curve(self) -> None:
        """Without normals or without aberrations curves are empty and areas NaN, without a warning."""
        normal = np.zeros(3, np.int64)

        assert 0 == len(roc_curve(normal, np.arange(3.0)).x) == len(pr_curve(normal, np.arange(3.0)).x)
        assert np.isnan([roc_auc(normal, np.arange(3.0)), average_precision(normal, np.arange(3.0))]).all()
        assert np.isnan([roc_auc(NONE, NO_SCORES), average_precision(NONE, NO_SCORES)]).all()
        assert 0 == len(roc_curve(normal + 1, np.arange(3.0)).x)

    def test_curves_start_where_nothing_is_flagged(self) -> None:
        """ROC starts at (0, 0) and precision-recall at recall 0."""
        labels, scores = np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4])

        assert (0.0, 0.0) == (roc_curve(labels, scores).x[0], roc_curve(labels, scores).y[0])
        assert (0.0, 1.0) == (pr_curve(labels, scores).x[0], pr_curve(labels, scores).y[0])


class TestCurve:
    def test_thinning_keeps_ends_and_the_steep_start(self) -> None:
        """Of a curve that rises within its first hundredth, much of the rise survives."""
        x = np.concatenate([np.linspace(0, 0.01, 100), np.linspace(0.01, 1, 9900)])
        y = np.concatenate([np.linspace(0, 1, 100), np.ones(9900)])

        thin = Curve(x, y).thinned(200)

        assert 100 < len(thin.x) <= 200
        assert (0.0, 1.0) == (thin.x[0], thin.x[-1])
        assert 80 < np.count_nonzero(thin.x <= 0.01)

    def test_short_ones_stay_as_they_are(self) -> None:
        """A curve of few points is returned itself."""
        curve = Curve(np.arange(5.0), np.arange(5.0))

        assert curve is curve.thinned(5)


class TestCalibrationError:
    def test_of_a_worked_example(self) -> None:
        """Two bins of two: promised 0.1 and 0.8, observed 0 and 0.5."""
        labels, probabilities = np.array([0, 0, 1, 0]), np.array([0.1, 0.1, 0.8, 0.8])

        assert pytest.approx(0.5 * 0.1 + 0.5 * 0.3) == expected_calibration_error(labels, probabilities, 2)

    @given(ROWS, st.integers(1, 8), st.randoms(use_true_random=False))
    @settings(max_examples=60, deadline=None)
    def test_order_and_ties_do_not_matter(self, rows: list[tuple[int, int]], bins: int, random: Any) -> None:
        """Equal probabilities share a bin, so shuffled rows give the same bins."""
        labels, probabilities = arrays(rows)
        shuffled = list(range(len(rows)))
        random.shuffle(shuffled)

        first = reliability(labels, probabilities, bins)
        second = reliability(labels[shuffled], probabilities[shuffled], bins)

        assert len(first.count) <= bins
        assert len(rows) == first.count.sum()
        assert first.count.tolist() == second.count.tolist()
        assert first.frequency.tolist() == pytest.approx(second.frequency.tolist())

    def test_bins_hold_equally_many(self) -> None:
        """A hundred different probabilities fall into ten bins of ten, however crowded they are."""
        probabilities = np.linspace(0, 1, 100) ** 4

        assert [10] * 10 == reliability(np.zeros(100, np.int64), probabilities, 10).count.tolist()

    def test_of_nothing_is_nan(self) -> None:
        """Without crops there is no error."""
        assert np.isnan([expected_calibration_error(NONE, NO_SCORES), brier(NONE, NO_SCORES)]).all()

    @given(ROWS)
    @settings(max_examples=30, deadline=None)
    def test_brier_score_is_that_of_scikit_learn(self, rows: list[tuple[int, int]]) -> None:
        """Mean squared distance to the label."""
        labels, probabilities = arrays(rows)

        assert pytest.approx(sk.brier_score_loss(labels, probabilities, pos_label=1)) == brier(
            labels, probabilities
        )


class TestPerChromosome:
    def test_mean_lets_views_vote(self) -> None:
        """Log-odds of the views are averaged."""
        crops = scored([4.0, -2.0, -3.0], [1, 1, 0], [0, 0, 1], [0, 0, 2])

        whole = per_chromosome(crops)

        assert [1.0, -3.0] == whole.log_odds.tolist()
        assert [1, 0] == whole.labels.tolist()
        assert [0, 2] == whole.groups.tolist()

    def test_max_takes_the_most_suspicious_view(self) -> None:
        """One alarming view is enough."""
        crops = scored([4.0, -2.0, -3.0], [1, 1, 0], [0, 0, 1], [0, 0, 2])

        assert [4.0, -3.0] == per_chromosome(crops, "max").log_odds.tolist()

    def test_one_aberrant_view_makes_an_aberration(self) -> None:
        """A junction need not show in every view."""
        crops = scored([0.0, 0.0, 0.0], [0, 1, 0], [0, 0, 1], [1, 1, 1])

        assert [1, 0] == per_chromosome(crops).labels.tolist()

    def test_a_view_each_changes_nothing(self) -> None:
        """Chromosomes that were seen once keep their scores, in order."""
        crops = scored([3.0, 1.0, 2.0], [1, 0, 1], [0, 1, 2], [0, 1, 2])

        assert [3.0, 1.0, 2.0] == per_chromosome(crops).log_odds.tolist()

    def test_nothing_gives_nothing(self) -> None:
        """No crops are no chromosomes."""
        assert 0 == len(per_chromosome(Scored(NO_SCORES, NONE, NONE, NONE, ())).log_odds)
