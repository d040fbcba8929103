from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import f1_score, log_loss

from models.classification.calibration import calibrate, choose_threshold, fit_temperature
from models.classification.metrics import Confusion, confusion_at, probabilities_of


def logits_of(odds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return logits (N, 2) with these log-odds."""
    return np.stack([-odds / 2, odds / 2], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def honest() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Log-odds that are right about 20,000 crops."""
    rng = np.random.default_rng(0)
    odds = rng.normal(-1.0, 2.0, 20_000)
    return odds, (rng.random(20_000) < expit(odds)).astype(np.int64)


class TestTemperature:
    @pytest.mark.parametrize("exaggeration", [0.5, 1.0, 3.0])
    def test_undoes_an_exaggeration(
        self, exaggeration: float, honest: tuple[NDArray[np.float64], NDArray[np.int64]]
    ) -> None:
        """Logits that are k times too sure get temperature k."""
        odds, labels = honest

        found = fit_temperature(logits_of(odds * exaggeration), labels)

        assert exaggeration == pytest.approx(found.value, rel=0.05)
        assert found.reason is None

    def test_no_other_temperature_is_likelier(
        self, honest: tuple[NDArray[np.float64], NDArray[np.int64]]
    ) -> None:
        """The log loss of scikit-learn is least at the value found."""
        odds, labels = honest
        logits = logits_of(odds * 3)
        best = fit_temperature(logits, labels).value

        losses = [log_loss(labels, probabilities_of(logits, best * factor)) for factor in (0.98, 1.0, 1.02)]

        assert losses[1] == min(losses)

    def test_is_the_same_on_every_run(self, honest: tuple[NDArray[np.float64], NDArray[np.int64]]) -> None:
        """The search draws nothing."""
        odds, labels = honest

        assert fit_temperature(logits_of(odds), labels) == fit_temperature(logits_of(odds), labels)

    @pytest.mark.parametrize(
        ("odds", "labels", "reason"),
        [
            ([], [], "only one class"),
            ([1.0, -1.0], [0, 0], "only one class"),
            ([1.0, 2.0], [1, 1], "only one class"),
            ([0.0, 0.0], [0, 1], "All logits are equal"),
            ([-3.0, -2.0, 2.0], [0, 0, 1], "without an error"),
            ([3.0, -2.0], [0, 1], "say nothing"),
        ],
        ids=["nothing", "normals", "aberrations", "constant", "separated", "upside down"],
    )
    def test_stays_where_it_cannot_be_fitted(self, odds: list[float], labels: list[int], reason: str) -> None:
        """Degenerate splits leave the logits as they are, and say why."""
        found = fit_temperature(logits_of(np.array(odds)), labels)

        assert 1.0 == found.value
        assert found.reason is not None
        assert reason in found.reason

    def test_refuses_other_lengths(self) -> None:
        """Every row of logits has a label."""
        with pytest.raises(ValueError, match="labels for"):
            fit_temperature(np.zeros((3, 2)), [0, 1])


class TestThreshold:
    @given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 15)), min_size=2, max_size=40))
    @settings(max_examples=80, deadline=None)
    def test_no_other_has_a_higher_f1(self, rows: list[tuple[int, int]]) -> None:
        """Every cut between two probabilities was considered, by scikit-learn's F1."""
        labels = np.array([label for label, _ in rows])
        probabilities = np.array([score for _, score in rows]) / 15
        if labels.all() or not labels.any():
            return
        every = [f1_score(labels, probabilities >= cut, zero_division=0) for cut in np.unique(probabilities)]

        chosen = choose_threshold(labels, probabilities)

        assert max(every) == pytest.approx(confusion_at(labels, probabilities, chosen.value).f1)

    def test_of_equals_the_one_with_higher_recall_wins(self) -> None:
        """F1 is 2/3 with one of two found, and with both found beside two false alarms."""
        labels, probabilities = np.array([1, 0, 0, 1]), np.array([0.9, 0.7, 0.6, 0.5])

        chosen = choose_threshold(labels, probabilities)

        assert Confusion(2, 2, 0, 0) == confusion_at(labels, probabilities, chosen.value)

    def test_lies_half_way_to_the_next_crop(self) -> None:
        """So rounding moves no verdict."""
        assert 0.5 == choose_threshold(np.array([1, 0]), np.array([0.8, 0.2])).value

    def test_splits_neighbours_in_the_last_bit(self) -> None:
        """Two probabilities without a number between them are still told apart."""
        low = 0.5
        probabilities = np.array([np.nextafter(low, 1), low])

        chosen = choose_threshold(np.array([1, 0]), probabilities)

        assert Confusion(1, 0, 0, 1) == confusion_at(np.array([1, 0]), probabilities, chosen.value)

    def test_falls_where_false_alarms_count_less(self) -> None:
        """Three false alarms for the second aberration: too many at this ratio, and not at a tenth of it."""
        labels, probabilities = np.array([1, 0, 0, 0, 1]), np.array([0.9, 0.8, 0.7, 0.6, 0.5])

        natural, rarer = (choose_threshold(labels, probabilities, weight).value for weight in (1.0, 0.1))

        assert Confusion(1, 0, 1, 3) == confusion_at(labels, probabilities, natural)
        assert Confusion(2, 3, 0, 0) == confusion_at(labels, probabilities, rarer)

    @pytest.mark.parametrize("labels", [[], [0, 0], [1]])
    def test_is_a_half_without_both_classes(self, labels: list[int]) -> None:
        """The fall-back says why."""
        chosen = choose_threshold(np.array(labels, np.int64), np.full(len(labels), 0.3))

        assert 0.5 == chosen.value
        assert chosen.reason is not None


class TestCalibrate:
    def test_threshold_belongs_to_calibrated_probabilities(
        self, honest: tuple[NDArray[np.float64], NDArray[np.int64]]
    ) -> None:
        """Logits that are three times too sure end with the same verdicts as right ones."""
        odds, labels = honest

        right, loud = (calibrate(logits_of(odds * factor), labels) for factor in (1, 3))

        assert right.verdicts == loud.verdicts
        assert right.threshold.value == pytest.approx(loud.threshold.value, abs=0.02)
        assert loud.nll_after < loud.nll_before

    def test_an_empty_split_gives_defaults(self) -> None:
        """Without validation nothing is fitted, and JSON tells so."""
        told = calibrate(np.zeros((0, 2), np.float32), []).to_json()

        assert (1.0, 0.5) == (told["temperature"], told["threshold"])
        assert told["temperature_reason"] == told["threshold_reason"]
