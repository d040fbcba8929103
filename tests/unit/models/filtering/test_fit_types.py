from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.filtering.errors import FilterFitError
from models.filtering.fit_types import FitData, FitParams

DATA = FitData(
    embeddings=np.zeros((3, 4), np.float32),
    labels=np.array([0, 1, 1]),
    groups=["a", "a", "b"],
    val_embeddings=np.zeros((2, 4), np.float32),
    val_labels=np.array([0, 1]),
    head_weight=np.zeros((2, 4), np.float32),
    head_bias=np.zeros(2, np.float32),
    temperature=1.0,
)


class TestFitData:
    def test_knows_its_aberrations(self) -> None:
        """By their labels."""
        assert [1, 2] == DATA.aberrations.tolist()

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"embeddings": np.zeros(3, np.float32)}, "Embeddings"),
            ({"val_embeddings": np.zeros((2, 5), np.float32)}, "Embeddings"),
            ({"labels": np.array([0, 1])}, "label"),
            ({"groups": ["a"]}, "group"),
            ({"val_labels": np.array([0])}, "label"),
            ({"labels": np.array([0, 1, 2])}, "0 .normal. and 1"),
            ({"embeddings": np.full((3, 4), np.nan, np.float32)}, "finite"),
            ({"val_embeddings": np.full((2, 4), np.inf, np.float32)}, "finite"),
            ({"embeddings": np.full((3, 4), 1e30, np.float32)}, "absurdly large"),
        ],
    )
    def test_refuses_what_does_not_fit_together(self, change: dict[str, Any], told: str) -> None:
        """Before anything is fitted."""
        with pytest.raises(FilterFitError, match=told):
            replace(DATA, **change)


class TestFitParams:
    @pytest.mark.parametrize(
        "odd",
        [
            {"method": "tsne"},
            {"coordinates": "guessed"},
            {"n_neighbors": 1},
            {"n_neighbors": 1001},
            {"min_dist": -0.1},
            {"num_folds": 1},
            {"num_components": 0},
            {"num_components": 11},
            {"num_inits": 0},
            {"level": 0.0},
            {"level": 1.1},
            {"level": "largest"},
            {"level": "weight", "method": "knn"},
            {"level": "validation", "method": "none"},
            {"max_percentile": 101.0},
        ],
    )
    def test_refuses_what_is_out_of_range(self, odd: dict[str, Any]) -> None:
        """With a message that says what is possible."""
        with pytest.raises(FilterFitError):
            FitParams(**odd)
