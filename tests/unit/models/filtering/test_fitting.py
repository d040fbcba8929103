from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.filtering.errors import FilterFitError
from models.filtering.files import from_bytes, to_bytes
from models.filtering.fitting import CURVE_LEVELS, FitData, FitParams, FittedFilter, fit_filter
from models.filtering.rules.face import METHODS, Method

DIMENSIONS = 8
PARAMS = FitParams(n_neighbors=10, num_inits=2, num_folds=3, seed=1)


def crops(num_normals: int, num_aberrations: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Aberrations of two kinds, in the ratio of three to one, well apart from the normal crops."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_normals + num_aberrations) >= num_normals
    rows = rng.normal(size=(len(labels), DIMENSIONS))
    rows[labels] += 5.0
    rows[labels, 0] += 9.0 * (np.arange(num_aberrations) % 4 == 0)
    return rows.astype(np.float32), labels.astype(np.int64)


def data(num_normals: int = 90, num_aberrations: int = 60, num_val: int = 30) -> FitData:
    rows, labels = crops(num_normals, num_aberrations, 0)
    val_rows, val_labels = crops(num_val, num_val, 1)
    return FitData(
        embeddings=rows,
        labels=labels,
        groups=[f"slide_{index % 6}" for index in range(len(rows))],
        val_embeddings=val_rows,
        val_labels=val_labels,
        head_weight=np.stack([np.full(DIMENSIONS, -0.2), np.full(DIMENSIONS, 0.2)]).astype(np.float32),
        head_bias=np.array([4.0, -4.0], np.float32),
        temperature=1.5,
    )


def fit(crops: FitData, params: FitParams = PARAMS, **hooks: Any) -> FittedFilter:
    return fit_filter(crops, params, classifier="translocation/3", classifier_sha256="ab" * 32, **hooks)


@pytest.fixture(scope="module")
def fitted() -> FittedFilter:
    return fit(data())


class TestEllipse:
    def test_level_is_the_dominant_components_weight(self, fitted: FittedFilter) -> None:
        """The paper's filter, on coordinates as a new crop's are made."""
        made = fitted.filter
        assert made.mixture is not None

        assert made.mixture.weights.max() == made.spec.level
        assert 2 == len(made.mixture) == len(fitted.report["mixture"])
        assert {"construction": "leave_one_out"} == fitted.report["coordinates"]
        assert 90 * [False] + 60 * [True] == made.labels.tolist()

    def test_tells_aberrations_from_normals(self, fitted: FittedFilter) -> None:
        """What is far apart for the classifier is so for the filter."""
        found = fitted.report["acceptance"]

        assert found["val_normals"] < 0.1
        assert 0.4 < found["val_aberrations"]
        assert 0.4 < found["train_aberrations_out_of_sample"] < 0.95

    def test_report_is_plain_and_complete(self, fitted: FittedFilter) -> None:
        """Shares at twenty levels, of which the last keeps everything."""
        report = fitted.report
        json.dumps(report, allow_nan=False)

        assert {"aberration": 60, "normal": 90} == report["rows"]["train"]
        assert {"aberration": 30, "normal": 30} == report["rows"]["validation"]
        assert list(CURVE_LEVELS) == report["curve"]["level"]
        for name in ("train_aberrations", "val_aberrations", "val_normals"):
            shares = report["curve"][name]
            assert sorted(shares) == shares
            assert 1.0 == shares[-1]
        assert 0.0 <= report["beyond_p99"]["val_normals"] <= 0.3
        assert ["2"] == list(report["bic"])

    def test_survives_as_a_file(self, fitted: FittedFilter) -> None:
        """With the scores that it had."""
        rows = data().val_embeddings

        again = from_bytes(to_bytes(fitted.filter))

        assert fitted.filter.score(rows).needed_level.tobytes() == again.score(rows).needed_level.tobytes()

    def test_the_seed_decides(self, fitted: FittedFilter) -> None:
        """The same crops and parameters give the same file."""
        assert to_bytes(fitted.filter) == to_bytes(fit(data()).filter)

    @pytest.mark.parametrize("coordinates", ["k_fold", "fitted"])
    def test_other_constructions(self, fitted: FittedFilter, coordinates: Any) -> None:
        """The same map with a mixture from coordinates that were made in another way."""
        other = fit(data(), replace(PARAMS, coordinates=coordinates))

        told = other.report["coordinates"]
        assert coordinates == told["construction"]
        assert fitted.filter.manifold.coordinates.tobytes() == other.filter.manifold.coordinates.tobytes()
        assert other.filter.mixture is not None
        assert fitted.filter.mixture is not None
        assert not np.array_equal(fitted.filter.mixture.means, other.filter.mixture.means)
        if coordinates == "k_fold":
            assert 3 == told["num_folds"]
            assert told["by_group"]
            assert 0.0 <= told["frame_error"] < 0.8

    def test_level_can_be_chosen_on_validation(self) -> None:
        """The report then has the shares that the reason names."""
        found = fit(data(), replace(PARAMS, level="validation", max_percentile=99.0))

        kept = found.report["acceptance"]
        assert f"keeps {kept['val_aberrations']:.1%} of 30 aberrations" in found.filter.spec.level_reason
        assert kept["val_aberrations"] - kept["val_normals"] > 0.6
        assert kept["val_aberrations_with_gate"] <= kept["val_aberrations"]
        assert 99.0 == found.filter.spec.max_percentile


class TestOtherMethods:
    @pytest.mark.parametrize("method", METHODS[1:])
    def test_have_the_same_face(self, fitted: FittedFilter, method: Method) -> None:
        """The same map and distances, another rule, and a report of the same entries."""
        found = fit(data(), replace(PARAMS, method=method))

        assert method == found.filter.rule.method == found.filter.spec.method
        assert fitted.report.keys() == found.report.keys()
        assert found.report["mixture"] is None
        assert fitted.filter.own_distances.tobytes() == found.filter.own_distances.tobytes()
        assert found.filter.spec == from_bytes(to_bytes(found.filter)).spec

    @pytest.mark.parametrize("method", ["mahalanobis", "knn"])
    def test_a_level_is_the_share_of_the_class(self, method: Method) -> None:
        """At 0.9 about nine of ten new aberrations are kept, and as many training ones as if new."""
        found = fit(data(), replace(PARAMS, method=method)).report["acceptance"]

        assert pytest.approx(0.9, abs=0.02) == found["train_aberrations_out_of_sample"]
        assert found["val_aberrations"] > 0.7
        assert found["val_normals"] == 0.0

    def test_probability_learns_nothing(self) -> None:
        """So there is nothing to hold out."""
        found = fit(data(), replace(PARAMS, method="probability")).report["acceptance"]

        assert found["train_aberrations_out_of_sample"] is None
        assert found["val_aberrations"] > 0.9
        assert found["val_normals"] < 0.1


class TestFewCrops:
    def test_a_dozen_aberrations_make_a_filter_of_one_component(self) -> None:
        """With a level that is not everything, and a note; an empty validation split is no error."""
        found = fit(data(30, 12, 0))

        assert found.filter.mixture is not None
        assert 1 == len(found.filter.mixture)
        assert 0.95 == found.filter.spec.level
        assert "12 aberrations suffice" in found.report["notes"][0]
        assert found.report["curve"]["val_aberrations"] is None
        assert found.report["acceptance"]["val_normals"] is None

    @pytest.mark.parametrize("method", ["umap", "mahalanobis", "knn"])
    def test_nine_aberrations_are_refused_with_advice(self, method: Method) -> None:
        """The message says how many more there must be."""
        with pytest.raises(FilterFitError, match=r"9 aberrations.*at least 1 more"):
            fit(data(40, 9), replace(PARAMS, method=method))

    def test_probability_needs_no_aberration(self) -> None:
        """The classifier has seen some already."""
        assert "probability" == fit(data(40, 0), replace(PARAMS, method="probability")).filter.spec.method

    def test_fewer_crops_than_neighbours_are_refused(self) -> None:
        """The message says what would do."""
        with pytest.raises(FilterFitError, match="n_neighbors to 49 or less"):
            fit(data(30, 20), replace(PARAMS, n_neighbors=50))

    def test_a_small_validation_split_chooses_no_level(self) -> None:
        """Nine crops of a class are too few."""
        with pytest.raises(FilterFitError, match="needs 10 crops"):
            fit(data(num_val=9), replace(PARAMS, level="validation"))

    @pytest.mark.parametrize(("method", "told"), [("umap", "copies"), ("mahalanobis", "do not vary")])
    def test_copies_of_one_aberration_are_refused(self, method: Method, told: str) -> None:
        """Forty times the same crop is one aberration."""
        one = data()
        one.embeddings[one.labels == 1] = one.embeddings[-1]

        with pytest.raises(FilterFitError, match=told):
            fit(one, replace(PARAMS, method=method, n_neighbors=5))


class TestProgress:
    def test_is_told_and_can_be_stopped(self) -> None:
        """Every step has its message; a check that raises ends the fit."""
        steps: list[tuple[int, int, str]] = []

        def check() -> None:
            if steps[-1][0] == 2:
                raise TimeoutError

        with pytest.raises(TimeoutError):
            fit(data(), told=lambda *step: steps.append(step), check=check)

        assert [0, 1, 2] == [done for done, _, _ in steps]
        assert {4} == {total for _, total, _ in steps}
        assert all(message for _, _, message in steps)
