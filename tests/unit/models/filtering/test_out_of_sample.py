from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.filtering.errors import FilterFitError
from models.filtering.fit_types import FitData, FitParams
from models.filtering.out_of_sample import Frame, folds_of, k_fold, leave_one_out
from models.manifold.manifold import Manifold
from models.quality.stopping import never_stop


class TestFoldsOf:
    def test_groups_stay_together(self) -> None:
        """Where there are as many groups as folds, no group is in two of them."""
        groups = [f"slide_{index % 7}" for index in range(60)]

        folds = folds_of(groups, 5, seed=0)

        assert folds.by_group
        assert 5 == len(folds.parts)
        assert list(range(60)) == sorted(np.concatenate(folds.parts).tolist())
        held = [{groups[row] for row in part} for part in folds.parts]
        assert sum(len(names) for names in held) == len(set().union(*held))

    def test_few_groups_are_split(self) -> None:
        """Two slides cannot be five folds: rows are dealt out by the seed."""
        groups = ["a"] * 20 + ["b"] * 5

        folds = folds_of(groups, 5, seed=0)

        assert not folds.by_group
        assert [5] * 5 == [len(part) for part in folds.parts]
        assert list(range(25)) == sorted(np.concatenate(folds.parts).tolist())

    def test_no_fold_is_empty(self) -> None:
        """Of three rows there are at most three folds."""
        assert 3 == len(folds_of(["a"] * 3, 5, seed=0).parts)


class TestFrame:
    def test_undoes_a_turn_a_scale_and_a_shift(self) -> None:
        """Also a reflection, and nothing of it remains."""
        target = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
        turn = 0.4 * np.array([[0.6, 0.8], [0.8, -0.6]])
        source = (target @ turn + np.array([5.0, -9.0])).astype(np.float32)

        frame = Frame.between(source, target)

        assert np.allclose(target, frame.apply(source), atol=1e-4)
        assert frame.error < 1e-5

    def test_tells_what_remains(self) -> None:
        """Maps of nothing in common are about as far apart as one is wide."""
        rng = np.random.default_rng(1)
        source, target = rng.normal(size=(2, 5000, 2)).astype(np.float32)

        assert pytest.approx(1.0, abs=0.05) == Frame.between(source, target).error

    def test_of_one_place_is_finite(self) -> None:
        """Maps that have no extent are laid on each other's centres."""
        frame = Frame.between(np.ones((5, 2), np.float32), np.zeros((5, 2), np.float32))

        assert [[0.0, 0.0]] == frame.apply(np.ones((1, 2), np.float32)).tolist()


class TestLeaveOneOut:
    def test_a_row_is_not_its_own_neighbour(self, manifold: Manifold, labels: NDArray[np.bool_]) -> None:
        """Its place is that of a new row: other than where the map has it."""
        rows = np.flatnonzero(labels)

        found = leave_one_out(manifold, rows, 1, never_stop)

        with_itself = manifold.project(manifold.embeddings[rows]).coordinates
        assert found.shape == with_itself.shape
        assert np.abs(found - with_itself).max(axis=1).min() > 0.0

    def test_rows_do_not_depend_on_each_other(self, manifold: Manifold, labels: NDArray[np.bool_]) -> None:
        """One alone has the same bits."""
        rows = np.flatnonzero(labels)

        together = leave_one_out(manifold, rows, 2, never_stop)

        assert together[7:8].tobytes() == leave_one_out(manifold, rows[7:8], 1, never_stop).tobytes()


class TestKFold:
    def test_too_few_rows_without_a_fold_are_refused(
        self, manifold: Manifold, labels: NDArray[np.bool_]
    ) -> None:
        """All normals of one slide leave no map when that slide is held out."""
        data = FitData(
            embeddings=manifold.embeddings,
            labels=labels.astype(np.int64),
            groups=["big"] * 100 + [f"small_{index}" for index in range(10)],
            val_embeddings=np.empty((0, 6), np.float32),
            val_labels=np.empty(0, np.int64),
            head_weight=np.zeros((2, 6), np.float32),
            head_bias=np.zeros(2, np.float32),
            temperature=1.0,
        )
        params = FitParams(coordinates="k_fold", num_folds=2, n_neighbors=15)

        with pytest.raises(FilterFitError, match="leave_one_out, or import more slides"):
            k_fold(data, params, manifold, 1, never_stop)
        with pytest.raises(FilterFitError):
            k_fold(
                replace(data, groups=["big"] * 110), replace(params, n_neighbors=109), manifold, 1, never_stop
            )
