from __future__ import annotations

import numpy as np
import pytest
from cellpose.metrics import average_precision
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.segmentation.metrics import (
    BACKGROUND_GROUP,
    Counts,
    count_error,
    count_matches,
    count_matches_by_group,
    matches,
    overlap_of,
)

LABELS = arrays(np.int32, (12, 14), elements=st.integers(0, 4))


def blocks(*spans: tuple[int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Label image (10, 60) with one block for each span of columns."""
    masks = np.zeros((10, 60), np.int32)
    for label, (start, stop) in enumerate(spans, 1):
        masks[:, start:stop] = label
    return masks


class TestCountMatches:
    @given(LABELS, LABELS, st.sampled_from([0.2, 0.5, 0.75]))
    @settings(max_examples=40, deadline=None)
    def test_agrees_with_cellpose(
        self,
        truth: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
        predicted: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
        threshold: float,
    ) -> None:
        """True and false positives and negatives are those of `cellpose.metrics`."""
        truth = np.searchsorted(np.unique(np.append(truth, 0)), truth).astype(np.int32)
        predicted = np.searchsorted(np.unique(np.append(predicted, 0)), predicted).astype(np.int32)
        with np.errstate(invalid="ignore"):  # Cellpose divides 0 by 0 where no pixel is background
            _, tp, fp, fn = average_precision(truth, predicted, threshold=[threshold])

        counts = count_matches(overlap_of(truth, predicted), threshold)

        assert Counts(int(tp[0]), int(fp[0]), int(fn[0])) == counts

    def test_labels_need_not_be_consecutive(self) -> None:
        """Gaps in the numbering are no instances."""
        truth = blocks((0, 10), (20, 30)) * 7

        counts = count_matches(overlap_of(truth, blocks((0, 10), (20, 30))), 0.9)

        assert Counts(2, 0, 0) == counts

    def test_ignored_pixels_leave_both_sides(self) -> None:
        """Pixels of two chromosomes count for neither truth nor prediction."""
        truth, predicted = blocks((0, 10)), blocks((0, 20))
        ignored = np.zeros(truth.shape, bool)
        ignored[:, 10:] = True

        counts = count_matches(overlap_of(truth, predicted, ignored), 0.99)

        assert Counts(1, 0, 0) == counts

    @pytest.mark.parametrize(
        ("truth", "predicted", "expected"),
        [
            (blocks(), blocks(), Counts(0, 0, 0)),
            (blocks((0, 5)), blocks(), Counts(0, 0, 1)),
            (blocks(), blocks((0, 5)), Counts(0, 1, 0)),
        ],
        ids=["nothing", "missed", "invented"],
    )
    def test_empty_sides(
        self,
        truth: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
        predicted: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
        expected: Counts,
    ) -> None:
        """Without instances on a side everything on the other is wrong."""
        assert expected == count_matches(overlap_of(truth, predicted), 0.5)

    def test_other_shape_is_an_error(self) -> None:
        """Images of different sizes cannot be compared."""
        with pytest.raises(ValueError, match="differ in shape"):
            overlap_of(blocks(), np.zeros((3, 3), np.int32))


class TestMatches:
    def test_one_prediction_matches_one_truth(self) -> None:
        """Of two candidates the better one is taken."""
        found = matches(overlap_of(blocks((0, 20)), blocks((0, 8), (8, 20))), 0.3)

        assert found == {1: 2}


class TestCountMatchesByGroup:
    def test_errors_go_to_the_group_they_happen_in(self) -> None:
        """A merge of touching ones counts there, an object on background counts apart."""
        truth = blocks((0, 10), (10, 20), (30, 40))
        predicted = blocks((0, 20), (30, 40), (50, 55))

        groups = count_matches_by_group(
            overlap_of(truth, predicted), 0.6, {"touching": {1, 2}, "isolated": {3}}
        )

        assert groups == {
            "touching": Counts(0, 1, 2),
            "isolated": Counts(1, 0, 0),
            BACKGROUND_GROUP: Counts(0, 1, 0),
        }

    def test_groups_add_up_to_the_whole(self) -> None:
        """Nothing is counted twice or lost."""
        truth, predicted = blocks((0, 9), (10, 20), (30, 40)), blocks((0, 20), (31, 40), (50, 55))
        overlap = overlap_of(truth, predicted)

        groups = count_matches_by_group(overlap, 0.5, {"a": {1, 2}, "b": {3}})

        assert count_matches(overlap, 0.5) == sum(groups.values(), Counts())


class TestCounts:
    def test_rates(self) -> None:
        """AP, precision and recall of a worked example."""
        counts = Counts(6, 2, 4)

        assert counts.average_precision == 0.5
        assert counts.precision == 0.75
        assert counts.recall == 0.6

    def test_rates_of_nothing_are_nan(self) -> None:
        """Without instances there is no rate, and no division by zero."""
        assert np.isnan([Counts().average_precision, Counts().precision, Counts().recall]).all()


class TestCountError:
    def test_sign(self) -> None:
        """Positive if too many are found."""
        assert count_error(blocks((0, 5)), blocks((0, 5), (6, 9), (20, 30))) == 2
        assert count_error(blocks((0, 5)), blocks()) == -1
