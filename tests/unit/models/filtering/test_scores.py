from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.filtering.scores import NO_COMPONENT, FilterScores, Judgement


def scored(needed: list[float], percentiles: list[float]) -> FilterScores:
    count = len(needed)
    return FilterScores(
        coordinates=np.zeros((count, 2), np.float32),
        component=np.zeros(count, np.int32),
        mahalanobis2=np.zeros(count),
        needed_level=np.array(needed),
        knn_distance=np.zeros(count),
        knn_percentile=np.array(percentiles),
    )


class TestKept:
    @settings(deadline=None)
    @given(
        needed=st.lists(st.floats(0, 1), min_size=1, max_size=30),
        levels=st.tuples(st.floats(0, 1), st.floats(0, 1)),
        gate=st.none() | st.floats(0, 100),
    )
    def test_more_is_kept_at_a_higher_level(
        self, needed: list[float], levels: tuple[float, float], gate: float | None
    ) -> None:
        """Nothing that a low level keeps is rejected by a higher one."""
        scores = scored(needed, [90.0] * len(needed))

        low, high = (scores.kept(level, gate) for level in sorted(levels))

        assert not (low & ~high).any()

    @pytest.mark.parametrize(
        ("level", "gate", "kept"),
        [
            (0.5, None, [True, True, False]),
            (0.5, 99.0, [True, False, False]),
            (1.0, 100.0, [True, True, True]),
            (0.0, None, [False, False, False]),
        ],
    )
    def test_both_gates_include_their_limit(self, level: float, gate: float | None, kept: list[bool]) -> None:
        """A row is kept at exactly the level that it needs, and the second gate is off unless given."""
        assert kept == scored([0.2, 0.5, 0.6], [99.0, 99.5, 0.0]).kept(level, gate).tolist()


class TestJudgement:
    def test_without_components_says_so(self) -> None:
        """By -1 and NaN."""
        judged = Judgement.by_level(np.array([0.1, 0.2]))

        assert [NO_COMPONENT] * 2 == judged.component.tolist()
        assert np.isnan(judged.mahalanobis2).all()
