from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from models.filtering.errors import FilterFileError
from models.filtering.files import from_bytes, to_bytes
from models.filtering.filter import Filter
from tests.support.filter_files import closed, opened

Filters = Callable[..., Filter]


class TestProbe:
    @pytest.mark.parametrize(
        ("name", "differs"),
        [
            ("manifold.coordinates", "coordinates"),
            ("manifold.embeddings", ""),
            ("own_distances", "knn_percentile"),
            ("rule.means", ""),
            ("rule.covariances", "mahalanobis2"),
        ],
    )
    def test_finds_other_scores_under_a_right_digest(
        self, make_filter: Filters, name: str, differs: str
    ) -> None:
        """Whoever changes an array and the digest still has the probe against him."""
        arrays, told = opened(to_bytes(make_filter()))
        arrays[name] = arrays[name] * arrays[name].dtype.type(1.01)

        with pytest.raises(FilterFileError, match=f"differently than promised .{differs}"):
            from_bytes(closed(arrays, told))

    def test_finds_verdicts_that_flip_within_the_tolerance(self, make_filter: Filters) -> None:
        """Scores may differ in the last digits, verdicts may not."""
        arrays, told = opened(to_bytes(make_filter()))
        needed = arrays["probe.needed_level"]
        told["spec"]["level"] = float(needed[3])
        needed[3] += 1e-9

        with pytest.raises(FilterFileError, match="decides otherwise"):
            from_bytes(closed(arrays, told))

    def test_last_digits_may_differ(self, make_filter: Filters) -> None:
        """Another processor may round another way."""
        arrays, told = opened(to_bytes(make_filter()))
        arrays["probe.knn_distance"] *= 1.0 + 1e-9

        assert 0.7 == from_bytes(closed(arrays, told)).spec.level

    def test_holds_more_than_training_rows(self, make_filter: Filters, labels: NDArray[np.bool_]) -> None:
        """Half of it lies between them; both classes are there."""
        one = make_filter()
        arrays, _ = opened(to_bytes(one))
        training = {row.tobytes() for row in one.manifold.embeddings}
        aberrant = {row.tobytes() for row in one.manifold.embeddings[labels]}
        known = [row.tobytes() in training for row in arrays["probe.rows"]]

        assert 32 == len(known)
        assert 16 == sum(known)
        assert 8 == sum(row.tobytes() in aberrant for row in arrays["probe.rows"])
