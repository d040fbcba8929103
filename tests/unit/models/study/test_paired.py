from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from models.study.paired import Resamples, difference_of, t_interval
from models.study.statistics import Scores, Thresholds
from tests.support.study_scores import scores_of


def plain_differences(
    arm: Sequence[Scores], reference: Sequence[Scores], resamples: Resamples
) -> list[list[float]]:
    """Difference in average precision of the crops by resample and seed, one crop at a time."""
    found = []
    for weights in resamples.weights[1:]:
        rows = [
            row
            for row, cluster in enumerate(resamples.clusters["crops"])
            for _ in range(int(weights[cluster]))
        ]
        by_seed = []
        for pair in zip(arm, reference, strict=True):
            ours, theirs = (
                sk.average_precision_score(
                    np.asarray(one.labels)[rows], (one.logits[:, 1] - one.logits[:, 0])[rows]
                )
                for one in pair
            )
            by_seed.append(ours - theirs)
        found.append(by_seed)
    return found


def values(resamples: Resamples, scores: Sequence[Scores], name: str = "average_precision") -> dict[int, Any]:
    """Return values of one metric of the crops, by seed."""
    return {seed: resamples.values(one)["crops"][name] for seed, one in enumerate(scores)}


def holds_nought(bounds: tuple[float, float] | None) -> bool:
    """Whether an interval shows nothing."""
    return bounds is not None and bounds[0] <= 0 <= bounds[1]


class TestAgainstPlainPython:
    @pytest.mark.parametrize("of_slides", [1, 4])
    def test_gives_the_same_intervals(self, of_slides: int) -> None:
        """Whole slides or chromosomes within slides: a loop over crops finds the same bounds."""
        arm = [scores_of(seed, shift=2.0, of_slides=of_slides) for seed in range(3)]
        reference = [scores_of(seed + 50, shift=1.5, of_slides=of_slides) for seed in range(3)]
        resamples = Resamples.of(arm[0], 60, seed=1)

        found = difference_of(values(resamples, arm), values(resamples, reference))

        slow = plain_differences(arm, reference, resamples)
        means = [sum(by_seed) / 3 for by_seed in slow]
        assert pytest.approx(tuple(np.quantile(means, [0.025, 0.975]))) == found.over_slides
        picks = np.random.default_rng([0x5EED, 3]).integers(3, size=(3, 60))
        drawn = [sum(by_seed[pick] for pick in picks[:, row]) / 3 for row, by_seed in enumerate(slow)]
        assert pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975]))) == found.both

    def test_first_value_is_of_the_split_as_it_is(self) -> None:
        """Every crop once, for crops and for chromosomes."""
        scores = scores_of(0)
        found = Resamples.of(scores, 5).values(scores)

        crops, whole = scores.levels["crops"], scores.levels["chromosomes"]
        for unit, one in (("crops", crops), ("chromosomes", whole)):
            expected = sk.average_precision_score(one.labels, one.log_odds)
            assert pytest.approx(expected) == found[unit]["average_precision"][0]  # type: ignore[index]


class TestResamples:
    @pytest.mark.parametrize(
        ("slides", "of_slides", "expected"),
        [
            (4, 3, "group"),
            (4, 2, "chromosome within group"),
            (3, 1, "chromosome within group"),
            (2, 2, "chromosome within group"),
        ],
    )
    def test_draw_slides_where_three_hold_aberrations(
        self, slides: int, of_slides: int, expected: str
    ) -> None:
        """Three slides of which one holds all aberrations are too few."""
        assert expected == Resamples.of(scores_of(0, slides=slides, of_slides=of_slides), 2).resampled

    def test_are_nearly_all_defined_where_one_slide_holds_the_aberrations(self) -> None:
        """Which whole slides would not be: a third of their resamples would have no recall."""
        scores = scores_of(0, slides=3, of_slides=1)

        recalls = Resamples.of(scores, 300).values(scores)["chromosomes"]["recall"]

        assert np.isfinite(recalls).mean() > 0.95

    def test_draw_the_same_for_crops_and_chromosomes(self) -> None:
        """Where both views of all chromosomes say the same, both units have the same recall throughout."""
        scores = scores_of(0)
        logits = np.repeat(scores.logits[::2], 2, axis=0)
        twice = Scores(logits, scores.labels, scores.groups, scores.chromosomes, Thresholds(1.0, 0.4, 0.4))

        found = Resamples.of(twice, 50).values(twice)

        np.testing.assert_allclose(found["crops"]["recall"], found["chromosomes"]["recall"])

    @pytest.mark.parametrize("other", [{"count": 200}, {"every": 12}, {"slides": 3}])
    def test_refuse_scores_of_other_crops(self, other: Mapping[str, int]) -> None:
        """A pair is judged on the same crops or not at all."""
        with pytest.raises(ValueError, match="the same crops"):
            Resamples.of(scores_of(0), 3).values(scores_of(0, **other))  # type: ignore[arg-type]

    def test_refuse_a_negative_number(self) -> None:
        """There is no such thing."""
        with pytest.raises(ValueError, match="resamples"):
            Resamples.of(scores_of(0), -1)

    def test_of_an_empty_split_are_undefined(self) -> None:
        """No crops, no values and no warning."""
        empty = scores_of(0, count=0)

        assert np.isnan(Resamples.of(empty, 4).values(empty)["crops"]["f1"]).all()


class TestDifference:
    def test_counts_pairs_of_the_same_seed(self) -> None:
        """A seed that only one arm ran is no pair, and neither is one without a value."""
        arm = {1: np.array([0.5]), 2: np.array([0.8]), 3: np.array([0.9]), 4: np.array([np.nan])}
        reference = {2: np.array([0.7]), 1: np.array([0.6]), 4: np.array([0.1]), 9: np.array([0.0])}

        found = difference_of(arm, reference)

        assert (2, 1) == (found.seeds, found.better_seeds)
        assert pytest.approx(0.0) == found.difference
        assert found.over_slides is None

    def test_of_one_seed_says_nothing_of_seeds(self) -> None:
        """Luck of the slides is told, luck of the seeds cannot be."""
        found = difference_of({0: np.array([0.5, 0.4, 0.6])}, {0: np.array([0.4, 0.4, 0.4])})

        assert found.over_seeds is None
        assert found.both is None
        assert pytest.approx((0.005, 0.195)) == found.over_slides

    def test_without_pairs_is_undefined(self) -> None:
        """Arms without a common seed have no difference."""
        found = difference_of({0: np.zeros(3)}, {1: np.zeros(3)})

        assert found.to_json() == {
            "difference": None,
            "seeds": 0,
            "better_seeds": 0,
            "over_seeds": None,
            "over_slides": None,
            "both": None,
        }

    def test_does_not_depend_on_the_order_of_seeds(self) -> None:
        """Runs finish in any order."""
        rng = np.random.default_rng(0)
        arm, reference = ({seed: rng.random(20) for seed in range(4)} for _ in range(2))

        backwards = difference_of(dict(reversed(arm.items())), dict(reversed(reference.items())))

        assert difference_of(arm, reference) == backwards

    def test_of_an_arm_to_itself_is_nought(self) -> None:
        """The same verdicts on the same draws leave nothing."""
        one = values(Resamples.of(scores_of(0), 20), [scores_of(0), scores_of(1)])

        found = difference_of(one, one)

        assert (0.0, 0, (0.0, 0.0)) == (found.difference, found.better_seeds, found.both)


class TestCoverage:
    def test_two_equal_arms_show_a_difference_about_one_time_in_twenty(self) -> None:
        """The interval over seeds covers nought about 95 % of the time; so does that over both."""
        seeds_cover = both_cover = 0
        repeats = 80
        for repeat in range(repeats):
            arms = [
                [scores_of(1000 * repeat + 10 * side + seed, shift=1.5, slides=8) for seed in range(6)]
                for side in (0, 1)
            ]
            resamples = Resamples.of(arms[0][0], 100, seed=repeat)
            found = difference_of(*(values(resamples, arm) for arm in arms))
            seeds_cover += holds_nought(found.over_seeds)
            both_cover += holds_nought(found.both)

        assert 0.87 * repeats <= seeds_cover
        assert 0.87 * repeats <= both_cover

    def test_a_clearly_better_arm_is_shown_to_be(self) -> None:
        """All three intervals lie above nought."""
        arm = [scores_of(seed, shift=5.0, slides=8) for seed in range(6)]
        reference = [scores_of(seed + 100, shift=1.0, slides=8) for seed in range(6)]
        resamples = Resamples.of(arm[0], 200)

        found = difference_of(values(resamples, arm), values(resamples, reference))

        assert all(low > 0 for low, _ in (found.over_seeds, found.over_slides, found.both))
        assert 6 == found.better_seeds


class TestTInterval:
    def test_is_that_of_scipy(self) -> None:
        """The interval of a paired t-test."""
        ours = np.array([0.3, 0.1, 0.25, -0.05])

        expected = stats.ttest_1samp(ours, 0.0).confidence_interval(0.95)

        assert pytest.approx((expected.low, expected.high)) == t_interval(ours)

    @pytest.mark.parametrize("count", [0, 1])
    def test_needs_two(self, count: int) -> None:
        """One value does not vary."""
        assert t_interval(np.ones(count)) is None
