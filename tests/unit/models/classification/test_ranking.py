from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from models.classification.metrics import Scored
from models.classification.ranking import RankingTables

ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(-6, 6), st.integers(0, 4)), min_size=1, max_size=40)


class TestRankingTables:
    @given(ROWS, st.integers(0, 2**31))
    @settings(max_examples=60, deadline=None)
    def test_equals_scikit_learn_with_weights(self, rows: list[tuple[int, int, int]], seed: int) -> None:
        """A crop that was drawn k times counts k times, in every metric."""
        labels, steps, clusters = (np.array(column) for column in zip(*rows, strict=True))
        scored = Scored(steps / 2, labels, clusters, np.arange(len(rows)), tuple("abcde"))
        draws = np.random.default_rng(seed).integers(0, 3, size=(1, int(clusters.max()) + 1)).astype(float)
        weights = draws[0, clusters]

        told = {k: v[0] for k, v in RankingTables.of(scored, clusters, 0.5).metrics(draws).items()}

        present = weights > 0
        truth, odds, weight = labels[present], steps[present] / 2, weights[present]
        if not truth.any():
            assert np.isnan([told["recall"], told["f1"], told["average_precision"], told["roc_auc"]]).all()
            return
        rates = sk.precision_recall_fscore_support(
            truth, odds >= 0, average="binary", sample_weight=weight, zero_division=0
        )[:3]
        assert rates == pytest.approx((told["precision"], told["recall"], told["f1"]))
        expected = sk.average_precision_score(truth, odds, sample_weight=weight)
        assert expected == pytest.approx(told["average_precision"])
        if truth.all():
            assert np.isnan(told["roc_auc"])
        else:
            assert sk.roc_auc_score(truth, odds, sample_weight=weight) == pytest.approx(told["roc_auc"])
