from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from models.classification.evaluation import evaluate
from models.classification.metrics import confusion_at, probabilities_of
from models.classification.ratios import kept_at_ratio
from models.study.statistics import (
    DRAWS,
    METRICS,
    Scores,
    Thresholds,
    figures_of,
    summarise,
    thresholds_on_validation,
)
from tests.support.study_scores import scores_of


def evaluated(scores: Scores, threshold: float, rows: Any = slice(None)) -> dict[str, dict[str, float]]:
    """Return figures by the code that goes with a classifier's weights, of some rows."""
    found = evaluate(
        np.asarray(scores.logits)[rows],
        np.asarray(scores.labels)[rows],
        np.asarray(scores.groups)[rows].tolist(),
        np.asarray(scores.chromosomes)[rows].tolist(),
        temperature=scores.thresholds.temperature,
        threshold=threshold,
        seed=0,
        num_bootstrap=0,
    )
    return {"crops": found.crops.values, "chromosomes": found.chromosomes.values}


class TestFigures:
    @pytest.mark.parametrize("unit", ["crops", "chromosomes"])
    def test_at_the_natural_ratio_are_those_of_a_classifier(self, unit: str) -> None:
        """The same scores give what the classifier's own evaluation tells."""
        scores = scores_of(0).with_thresholds(Thresholds(1.7, 0.4, 0.3))

        found = figures_of(scores)[unit]["natural"]

        expected = evaluated(scores, 0.4)[unit]
        assert {name: pytest.approx(expected[name]) for name in METRICS} == found

    @pytest.mark.parametrize("unit", ["crops", "chromosomes"])
    def test_at_ten_to_one_are_means_of_draws(self, unit: str) -> None:
        """Each draw is judged for itself, at the threshold of that ratio."""
        scores = scores_of(1, every=40, count=960).with_thresholds(Thresholds(0.8, 0.9, 0.35))
        crops = scores.levels["crops"]
        drawn = [
            evaluated(scores, 0.35, kept_at_ratio(crops.labels, crops.chromosomes, 10, draw))
            for draw in range(DRAWS)
        ]

        found = figures_of(scores)[unit]["10:1"]

        for name in METRICS:
            assert np.mean([one[unit][name] for one in drawn]) == pytest.approx(found[name])

    def test_with_fewer_normals_than_ten_to_one_are_those_of_all(self) -> None:
        """Nothing can be left out of nine to one."""
        found = figures_of(scores_of(2).with_thresholds(Thresholds(1.0, 0.5, 0.5)))

        assert all(
            found[unit]["natural"] == pytest.approx(found[unit]["10:1"]) for unit in ("crops", "chromosomes")
        )

    @pytest.mark.parametrize("count", [0, 40])
    def test_without_aberrations_are_undefined(self, count: int) -> None:
        """What is undefined is None, which JSON can say."""
        found = figures_of(scores_of(0, count=count, of_slides=0))

        assert found["crops"]["natural"]["recall"] is None
        assert found["chromosomes"]["10:1"]["average_precision"] is None
        assert json.loads(json.dumps(found, allow_nan=False)) == found

    def test_refuse_other_lengths(self) -> None:
        """Every crop has a slide and a chromosome."""
        with pytest.raises(ValueError, match="one each"):
            figures_of(Scores(np.zeros((2, 2)), [0, 1], ["a"], ["c", "d"]))


class TestThresholds:
    def test_at_ten_to_one_is_the_best_of_the_draws_together(self) -> None:
        """No threshold does much better on average over crops that are really drawn."""
        scores = scores_of(3, every=60, count=4800, shift=3.5)
        chosen = thresholds_on_validation(scores)
        labels = scores.levels["crops"].labels
        probabilities = probabilities_of(scores.logits, chosen.temperature)
        rows = [kept_at_ratio(labels, scores.levels["crops"].chromosomes, 10, draw) for draw in range(30)]

        def mean_f1(threshold: float) -> float:
            return float(np.mean([confusion_at(labels[r], probabilities[r], threshold).f1 for r in rows]))

        assert mean_f1(chosen.threshold_10_1) >= max(map(mean_f1, np.linspace(0.01, 0.99, 99))) - 0.01
        assert chosen.threshold_10_1 < chosen.threshold

    def test_is_the_natural_one_where_normals_are_fewer(self) -> None:
        """At nine to one both ratios are the same."""
        chosen = thresholds_on_validation(scores_of(0))

        assert chosen.threshold == chosen.threshold_10_1

    @pytest.mark.parametrize("every", [1, 10])
    def test_without_both_classes_are_the_defaults(self, every: int) -> None:
        """A validation split of one class chooses nothing."""
        found = thresholds_on_validation(scores_of(0, every=every, of_slides=4 if every == 1 else 0))

        assert Thresholds(1.0, 0.5, 0.5) == found


class TestSummarise:
    def entries(self, *f1: float | None) -> list[dict[str, Any]]:
        """Summarise runs of one arm with these F1 scores, otherwise without an aberration."""
        nothing = figures_of(scores_of(0, of_slides=0))
        runs = []
        for value in f1:
            natural = nothing["crops"]["natural"] | {"f1": value}
            told = nothing | {"crops": nothing["crops"] | {"natural": natural}}
            runs.append({"condition": "all", "arm": "real", "val": told, "test": None})
        return summarise(runs)

    def test_mean_and_deviation_are_of_the_defined_seeds(self) -> None:
        """A seed without a value counts nowhere; the deviation has one degree of freedom less."""
        first = self.entries(0.2, 0.4, None)[0]

        assert ("val", "crops", "natural") == (first["split"], first["unit"], first["ratio"])
        assert pytest.approx(0.3) == first["metrics"]["f1"]["mean"]
        assert pytest.approx(np.std([0.2, 0.4], ddof=1)) == first["metrics"]["f1"]["std"]
        assert 2 == first["metrics"]["f1"]["count"]

    def test_one_seed_has_no_deviation(self) -> None:
        """There is nothing to deviate from."""
        assert {"mean": 0.2, "std": None, "count": 1} == self.entries(0.2)[0]["metrics"]["f1"]

    def test_every_unit_and_ratio_of_a_split_that_was_looked_at_is_told(self) -> None:
        """A split that no run has makes no entry."""
        assert [
            ("val", unit, ratio) for unit in ("crops", "chromosomes") for ratio in ("natural", "10:1")
        ] == [(one["split"], one["unit"], one["ratio"]) for one in self.entries(0.1)]

    def test_no_runs_no_entries(self) -> None:
        """Nothing is told of nothing."""
        assert [] == summarise([])
