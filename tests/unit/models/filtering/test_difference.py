from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.filtering.difference import compare
from models.filtering.errors import ComparisonError
from models.filtering.filter import Filter
from models.filtering.mixture import Mixture, m2_of
from models.filtering.rules.ellipse import EllipseRule
from models.manifold.manifold import Manifold

Filters = Callable[..., Filter]


class TestCompare:
    def test_a_filter_does_not_differ_from_itself(
        self, make_filter: Filters, rows: NDArray[np.float32]
    ) -> None:
        """No parameter, no verdict, no place."""
        found = compare(make_filter(), make_filter(), rows)

        assert {} == found["parameters"]
        assert 0.0 == found["level"]["shift"] == found["ellipse"]["centre_shift"]
        assert 0.0 == found["verdicts"]["newly_kept"] == found["verdicts"]["newly_rejected"]
        assert {"median": 0.0, "largest": 0.0} == found["moved"]
        json.dumps(found, allow_nan=False)

    def test_a_higher_level_only_adds(self, make_filter: Filters, rows: NDArray[np.float32]) -> None:
        """Verdicts flip one way; both ellipses have the area of theirs."""
        low, high = make_filter(level=0.3), make_filter(level=0.8)
        assert low.mixture is not None
        root = math.sqrt(np.linalg.det(low.mixture.covariances[low.mixture.dominant]))

        found = compare(low, high, rows)

        assert [0.3, 0.8] == found["parameters"]["level"]
        assert pytest.approx(0.5) == found["level"]["shift"]
        assert found["verdicts"]["newly_kept"] > 0.0 == found["verdicts"]["newly_rejected"]
        kept = found["verdicts"]["kept"]
        assert pytest.approx(kept[1] - kept[0]) == found["verdicts"]["newly_kept"]
        expected = [math.pi * m2_of(level) * root for level in (0.3, 0.8)]
        assert pytest.approx(expected, rel=1e-3) == found["ellipse"]["areas"]

    def test_a_moved_ellipse_is_measured(self, make_filter: Filters, rows: NDArray[np.float32]) -> None:
        """By how far its centre went, in units of the map; level 1 has no area."""
        first = make_filter()
        assert first.mixture is not None
        moved = Mixture(
            first.mixture.weights, first.mixture.means + np.array([3.0, 4.0]), first.mixture.covariances
        )
        spec = replace(first.spec, level=1.0)
        second = Filter(spec, first.manifold, EllipseRule(moved), first.own_distances, first.labels)

        found = compare(first, second, rows)

        ellipse = found["ellipse"]
        assert {"level", "rule.mixture"} == found["parameters"].keys()
        assert pytest.approx(5.0) == ellipse["centre_shift"]
        assert ellipse["areas"][1] is None

    def test_other_methods_are_compared_by_verdicts(
        self, make_filter: Filters, rows: NDArray[np.float32]
    ) -> None:
        """There is no ellipse to compare, and the gate counts."""
        found = compare(make_filter("none"), make_filter("knn", 1.0, 0.0), rows)

        assert ["none", "knn"] == found["parameters"]["method"]
        assert found["ellipse"] is None
        kept = found["verdicts"]["kept"]
        assert 1.0 == kept[0] > kept[1]
        assert pytest.approx(1.0 - kept[1]) == found["verdicts"]["newly_rejected"]

    def test_places_on_other_maps_are_not_compared(
        self, make_filter: Filters, rows: NDArray[np.float32]
    ) -> None:
        """A distance between two frames means nothing."""
        first = make_filter()
        mirrored = np.ascontiguousarray(-first.manifold.coordinates)
        manifold = Manifold(first.manifold.spec, first.manifold.embeddings, mirrored)
        second = Filter(first.spec, manifold, first.rule, first.own_distances, first.labels)

        found = compare(first, second, rows)

        assert not found["same_map"]
        assert found["moved"] is None is found["ellipse"]

    def test_no_rows_have_no_shares(self, make_filter: Filters) -> None:
        """Parameters can be compared without crops."""
        found = compare(make_filter(), make_filter(level=0.2), np.empty((0, 6), np.float32))

        assert [None, None] == found["verdicts"]["kept"]
        assert found["moved"] is None

    def test_filters_of_other_classifiers_are_refused(
        self, make_filter: Filters, rows: NDArray[np.float32]
    ) -> None:
        """The same numbers are other crops to them."""
        first = make_filter()
        spec = replace(first.spec, classifier="other/1", classifier_sha256="cd" * 32)
        second = Filter(spec, first.manifold, first.rule, first.own_distances, first.labels)

        with pytest.raises(ComparisonError, match="translocation/3 and other/1"):
            compare(first, second, rows)
