from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn import metrics as sk

from models.classification.bootstrap import Draws, Interval, intervals, resampled_metrics, resampling_of
from models.classification.metrics import Scored


def made(count: int, groups: int, seed: int = 0) -> Scored:
    """Crops of which one in twenty is an aberration and scores higher; two views to a chromosome."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < 0.05).astype(np.int64)
    odds = rng.normal(-3, 1.5, count) + 4 * labels
    group = (np.arange(count) * groups) // count
    return Scored(odds, labels, group, np.arange(count) // 2, tuple(f"s{i}" for i in range(groups)))


class TestIntervals:
    def test_contain_the_estimate(self) -> None:
        """Of ten slides of one kind the interval lies around the whole set's value."""
        scored = made(4000, 10)

        found = intervals(scored, 0.5, seed=1, num_resamples=500)["average_precision"]

        assert found.low < sk.average_precision_score(scored.labels, scored.log_odds) < found.high
        assert 500 == found.resamples

    def test_draw_whole_groups(self) -> None:
        """Groups that behave alike inside and unlike each other give the three groups' mixtures only."""
        labels = np.ones(30, np.int64)
        group = np.arange(30) // 10
        odds = np.where(group == 0, 1.0, -1.0)
        scored = Scored(odds, labels, group, np.arange(30), ("a", "b", "c"))

        recalls = resampled_metrics(scored, 0.5, 0, 200)["recall"]

        assert {0, 1, 2, 3} == set(np.rint(recalls * 3).astype(int).tolist())
        np.testing.assert_allclose(np.rint(recalls * 3) / 3, recalls)

    def test_are_the_same_for_the_same_seed(self) -> None:
        """A seed repeats them, and another one does not."""
        scored = made(600, 6)

        first, again, other = (intervals(scored, 0.5, seed, 100) for seed in (3, 3, 4))

        assert first == again
        assert first != other

    def test_fall_back_to_chromosomes_within_few_groups(self) -> None:
        """Two groups are too few: chromosomes are drawn within each, so their sizes stay."""
        scored = made(400, 2)

        plan = resampling_of(scored)
        draws = Draws.of(scored, plan)
        weights = draws.weights(np.random.default_rng(0), 20)

        assert plan.few_groups
        assert "chromosome within group" == plan.unit == draws.unit
        assert [100, 100] == [len(members) for members in draws.strata]
        assert {100.0} == set(weights[:, :100].sum(axis=1)) | set(weights[:, 100:].sum(axis=1))

    def test_three_groups_are_drawn_as_groups(self) -> None:
        """The fall-back ends at three."""
        assert "group" == resampling_of(made(60, 3)).unit

    def test_leave_out_resamples_without_aberrations(self) -> None:
        """If one of three slides holds all aberrations, some resamples have no recall."""
        group = np.arange(30) // 10
        scored = Scored(
            np.linspace(-1, 1, 30), (group == 2).astype(np.int64), group, np.arange(30), tuple("abc")
        )

        found = intervals(scored, 0.5, 0, 300)

        assert 0.6 * 300 < found["recall"].resamples < 0.8 * 300

    @pytest.mark.parametrize("count", [0, 5])
    def test_are_undefined_without_aberrations(self, count: int) -> None:
        """No crop, or no aberration: NaN and no warning."""
        none = np.zeros(count, np.int64)

        found = intervals(Scored(np.full(count, -9.0), none, none, np.arange(count), ("a",)), 0.5, 0, 10)

        assert 0 == found["recall"].resamples
        assert np.isnan(found["average_precision"].low)

    def test_need_resamples(self) -> None:
        """Nought resamples leave all of them open."""
        assert 0 == intervals(made(50, 5), 0.5, 0, 0)["f1"].resamples == Interval().resamples

    def test_take_less_than_a_second_for_ten_thousand_crops(self) -> None:
        """A thousand resamples are cheap, groups or chromosomes (seconds would mean a loop crept in)."""
        started = time.process_time()

        for groups in (8, 1):
            intervals(made(10_000, groups), 0.5, 0, 1000)

        assert time.process_time() - started < 3.0
