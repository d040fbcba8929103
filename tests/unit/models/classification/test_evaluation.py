from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from models.classification.evaluation import Evaluation, evaluate, summarise
from models.classification.figures import METRICS

RESAMPLES = 50


def evaluated(count: int = 600, groups: int = 4, *, seed: int = 0, prevalence: float = 0.1) -> Evaluation:
    """Evaluate made-up scores, two views to a chromosome."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.random(count // 2) < prevalence, 2).astype(np.int64)
    odds = rng.normal(-2, 1.5, count) + 3 * labels
    return evaluate(
        np.stack([-odds, odds], axis=1).astype(np.float32),
        labels,
        [f"A{(index * groups) // count:02d}" for index in range(count)],
        [f"c{index // 2}" for index in range(count)],
        temperature=2.0,
        threshold=0.4,
        seed=0,
        num_bootstrap=RESAMPLES,
    )


def plain_logits(*odds: float) -> Any:
    """Return logits (N, 2) with these log-odds."""
    return np.array([[0.0, value] for value in odds]).reshape(-1, 2)


class TestEvaluate:
    def test_agrees_with_scikit_learn(self) -> None:
        """Figures per crop are those of calibrated probabilities at the threshold."""
        rng = np.random.default_rng(1)
        labels = (rng.random(300) < 0.2).astype(np.int64)
        odds = rng.normal(0, 2, 300) + labels
        probabilities = 1 / (1 + np.exp(-odds / 1.5))
        flagged = probabilities >= 0.6

        found = evaluate(
            plain_logits(*odds),
            labels,
            ["a"] * 300,
            [str(index) for index in range(300)],
            temperature=1.5,
            threshold=0.6,
            seed=0,
            num_bootstrap=0,
        ).crops.values

        assert sk.f1_score(labels, flagged) == pytest.approx(found["f1"])
        assert sk.average_precision_score(labels, odds) == pytest.approx(found["average_precision"])
        assert sk.roc_auc_score(labels, odds) == pytest.approx(found["roc_auc"])
        assert sk.brier_score_loss(labels, probabilities) == pytest.approx(found["brier"])

    def test_counts_crops_and_chromosomes(self) -> None:
        """Six hundred crops show three hundred chromosomes."""
        found = evaluated()

        assert (600, 300) == (found.crops.count, found.chromosomes.count)
        assert found.crops.aberrations == 2 * found.chromosomes.aberrations

    def test_views_of_a_chromosome_are_averaged(self) -> None:
        """A view that is missed is outvoted by a surer one."""
        found = evaluate(
            plain_logits(3.0, -1.0, -3.0),
            [1, 1, 0],
            ["a", "a", "b"],
            ["c1", "c1", "c2"],
            temperature=1.0,
            threshold=0.5,
            seed=0,
            num_bootstrap=0,
        )

        assert (1, 1) == (found.crops.confusion.true_positives, found.crops.confusion.false_negatives)
        assert (1, 0) == (
            found.chromosomes.confusion.true_positives,
            found.chromosomes.confusion.false_negatives,
        )

    def test_a_key_in_another_group_is_another_chromosome(self) -> None:
        """Chromosome 1 of one slide is not chromosome 1 of the next."""
        found = evaluate(
            plain_logits(1.0, 1.0),
            [1, 0],
            ["a", "b"],
            ["1", "1"],
            temperature=1.0,
            threshold=0.5,
            seed=0,
            num_bootstrap=0,
        )

        assert 2 == found.chromosomes.count

    def test_calibration_error_before_is_without_the_temperature(self) -> None:
        """With temperature 1 nothing changes, with another one it does."""
        values = evaluated().crops.values

        assert values["ece_before"] != values["ece_after"]

    def test_groups_add_up(self) -> None:
        """Every crop lies in the row of its slide."""
        found = evaluated()

        assert ["A00", "A01", "A02", "A03"] == [row.group for row in found.groups]
        assert found.crops.count == sum(row.count for row in found.groups)
        assert found.crops.aberrations == sum(row.aberrations for row in found.groups)

    def test_says_when_groups_are_too_few(self) -> None:
        """Two slides: chromosomes were drawn, and JSON flags it."""
        told = evaluated(groups=2).to_json()["bootstrap"]

        assert told["few_groups"]
        assert "chromosome within group" == told["unit"]
        assert not evaluated(groups=3).to_json()["bootstrap"]["few_groups"]

    @pytest.mark.parametrize(
        ("labels", "groups", "chromosomes", "message"),
        [
            ([0], ["a", "a"], ["c", "d"], "labels for"),
            ([0, 1], ["a"], ["c", "d"], "one each"),
            ([0, 1], ["a", "a"], ["c"], "one each"),
            ([0, 2], ["a", "a"], ["c", "d"], "Labels are"),
        ],
    )
    def test_refuses_what_does_not_fit(
        self, labels: list[int], groups: list[str], chromosomes: list[str], message: str
    ) -> None:
        """Lengths and labels are checked."""
        with pytest.raises(ValueError, match=message):
            evaluate(
                plain_logits(0.0, 0.0), labels, groups, chromosomes, temperature=1.0, threshold=0.5, seed=0
            )


class TestJson:
    @pytest.mark.parametrize("labels", [[], [0, 0, 0], [1, 1, 1], [0, 0, 1]])
    def test_holds_no_number_that_json_lacks(self, labels: list[int]) -> None:
        """Whatever is missing, NaN becomes null."""
        found = evaluate(
            plain_logits(*np.linspace(-1, 1, len(labels))),
            labels,
            ["a"] * len(labels),
            [str(index) for index in range(len(labels))],
            temperature=1.0,
            threshold=0.5,
            seed=0,
            num_bootstrap=RESAMPLES,
        )

        told = found.to_json()

        json.dumps(told, allow_nan=False)
        if 1 not in labels:
            assert told["crops"]["recall"]["value"] is None
            assert told["crops"]["average_precision"]["low"] is None

    def test_curves_have_at_most_two_hundred_points(self) -> None:
        """Large splits do not make large manifests."""
        told = evaluated(4000, prevalence=0.5).to_json()

        assert 200 >= len(told["crops"]["pr"]["recall"]) == len(told["crops"]["pr"]["precision"])
        assert 200 >= len(told["crops"]["roc"]["true_positive_rate"])

    def test_curves_can_be_left_out(self) -> None:
        """A short form keeps the figures."""
        told = evaluated().to_json(curves=False)

        assert "pr" not in told["crops"]
        assert {"value", "low", "high", "resamples"} == set(told["crops"]["f1"])


class TestSummarise:
    def test_gives_mean_and_sample_deviation(self) -> None:
        """Standard deviations divide by n - 1, as over the paper's ten seeds."""
        evaluations = [evaluated(seed=seed) for seed in range(3)]
        values = [one.crops.values["f1"] for one in evaluations]

        spread = summarise(evaluations).crops["f1"]

        assert np.mean(values) == pytest.approx(spread.mean)
        assert np.std(values, ddof=1) == pytest.approx(spread.std)
        assert 3 == spread.count

    def test_covers_every_metric_of_both_levels(self) -> None:
        """Nothing that an evaluation tells is dropped."""
        told = summarise([evaluated()]).to_json()

        assert set(METRICS) == set(told["crops"]) == set(told["chromosomes"])

    def test_one_seed_has_no_deviation(self) -> None:
        """And none at all has no mean."""
        assert summarise([evaluated()]).to_json()["crops"]["f1"]["std"] is None
        assert {"mean": None, "std": None, "count": 0} == summarise([]).to_json()["crops"]["f1"]
