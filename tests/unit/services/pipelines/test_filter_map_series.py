from __future__ import annotations

import numpy as np
import pytest

from models.filtering.filter import Filter
from services.pipelines.filter_map import bare_map
from services.pipelines.filter_map_series import real_series, training_scores
from tests.support.filters import small_filter
from tests.support.mapped import scores_at


@pytest.fixture
def found() -> Filter:
    rows = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    return small_filter(rows, classifier="c/1", classifier_sha256="0" * 64)


class TestTrainingScores:
    def test_no_row_is_its_own_neighbour(self, found: Filter) -> None:
        """Distances are those that the filter knows of its training rows, and not half of them nought."""
        scores = training_scores(found)

        np.testing.assert_array_equal(np.sort(scores.knn_distance), found.own_distances)
        assert (0.0, 97.5) == (scores.knn_percentile.min(), scores.knn_percentile.max())

    def test_rows_are_placed_as_new_crops_are(self, found: Filter) -> None:
        """A row left out of the map falls elsewhere than one that finds itself on it."""
        scores = training_scores(found)

        known = found.score(found.manifold.embeddings)
        assert (scores.coordinates != known.coordinates).any(axis=1).mean() > 0.9
        np.testing.assert_array_equal(
            found.rule.judge(found.manifold.embeddings, scores.coordinates).needed_level, scores.needed_level
        )


class TestRealSeries:
    def test_classes_keep_their_rows(self) -> None:
        """Each crop's numbers and name stay together."""
        scores, names = scores_at((0.0, 0.0), 5, 0), [f"crop_{row}" for row in range(5)]

        normal, aberration = real_series("real", scores, np.array([1, 0, 0, 1, 0], np.bool_), names)

        assert ("real normal", "normal") == (normal.name, normal.kind)
        assert ["crop_0", "crop_3"] == aberration.ids
        np.testing.assert_array_equal(aberration.scores.needed_level, scores.needed_level[[0, 3]])
        np.testing.assert_array_equal(normal.scores.coordinates, scores.coordinates[[1, 2, 4]])

    def test_a_class_without_crops_has_no_series(self) -> None:
        """Held-out aberrations may be none."""
        (only,) = real_series("held-out", scores_at((0.0, 0.0), 4, 0), np.zeros(4, np.bool_))

        assert "held-out normal" == only.name
        assert () == only.ids


class TestBareMap:
    def test_needs_no_crops(self, found: Filter) -> None:
        """A filter from elsewhere is drawn from what it holds."""
        files = bare_map(found, title="Filter f/1")

        assert {"plot.png", "map.html"} == set(files)
        assert files["plot.png"].startswith(b"\x89PNG")
        assert b"<title>Filter f/1</title>" in files["map.html"]
        assert b'"name":"real aberration"' in files["map.html"]
