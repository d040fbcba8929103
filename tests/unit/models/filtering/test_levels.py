from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.filtering.errors import FilterFitError
from models.filtering.fit_types import FitParams
from models.filtering.levels import SINGLE_COMPONENT_LEVEL, choose_level, youden_level
from models.filtering.mixture import Mixture

NONE = np.empty(0)


def share(needed: list[float], level: float) -> float:
    return float(np.mean(np.array(needed) <= level))


class TestYoudenLevel:
    @settings(deadline=None)
    @given(
        aberrations=st.lists(st.floats(0.0, 0.6), min_size=10, max_size=30),
        normals=st.lists(st.floats(0.0, 1.0), min_size=10, max_size=30),
    )
    def test_no_other_level_is_better(self, aberrations: list[float], normals: list[float]) -> None:
        """Of all levels it has the largest difference of both shares, or there is none to be had."""
        best = max(share(aberrations, level) - share(normals, level) for level in aberrations)
        if best <= 0.0:
            with pytest.raises(FilterFitError, match="no level"):
                youden_level(np.array(aberrations), np.array(normals))
            return

        found = youden_level(np.array(aberrations), np.array(normals)).value

        assert best == share(aberrations, found) - share(normals, found)
        assert not any(
            level < found - 1e-6 and share(aberrations, level) - share(normals, level) == best
            for level in aberrations
        )

    def test_of_equal_ones_the_smallest_is_taken(self) -> None:
        """Which lets less through; it is rounded up, and the reason gives both shares."""
        aberrations = np.repeat([0.123456789, 0.5], 10)
        normals = np.concatenate([np.full(5, 0.4), np.full(5, 0.9)])

        found = youden_level(aberrations, normals)

        assert 0.123457 == found.value
        assert "50.0% of 20 aberrations and 0.0% of 10 normal crops" in found.reason

    def test_rounding_changes_no_verdict(self) -> None:
        """A normal crop just beyond stays outside."""
        level = 0.5000001
        normals = np.full(10, np.nextafter(level, 1.0))

        assert level == youden_level(np.full(10, level), normals).value

    @pytest.mark.parametrize(("aberrations", "normals"), [(9, 10), (10, 9), (0, 0)])
    def test_few_crops_are_refused_with_advice(self, aberrations: int, normals: int) -> None:
        """A level chosen on nine crops would be chance."""
        with pytest.raises(FilterFitError, match="more crops into the validation split, or give a number"):
            youden_level(np.zeros(aberrations), np.ones(normals))


class TestChooseLevel:
    @pytest.mark.parametrize("level", [None, "weight"])
    def test_of_a_mixture_is_the_weight(self, mixture: Mixture, level: None) -> None:
        """The paper's choice, and the default."""
        found = choose_level(FitParams(level=level), mixture, NONE, NONE)

        assert 0.7 == found.value
        assert "paper" in found.reason

    def test_of_one_component_is_not_everything(self) -> None:
        """A single component has weight 1, which would be no filter."""
        single = Mixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])

        assert SINGLE_COMPONENT_LEVEL == choose_level(FitParams(), single, NONE, NONE).value

    @pytest.mark.parametrize(
        ("params", "value"),
        [
            (FitParams(method="mahalanobis"), 0.9),
            (FitParams(method="knn"), 0.9),
            (FitParams(method="probability"), 0.5),
            (FitParams(method="none"), 1.0),
            (FitParams(method="knn", level=0.3), 0.3),
        ],
    )
    def test_every_method_has_its_own(self, params: FitParams, value: float) -> None:
        """Unless a number is given; a sentence says which."""
        found = choose_level(params, None, NONE, NONE)

        assert value == found.value
        assert found.reason.endswith(".")

    def test_a_given_number_is_taken(self, mixture: Mixture) -> None:
        """Also of a mixture."""
        assert 0.25 == choose_level(FitParams(level=0.25), mixture, NONE, NONE).value

    def test_validation_is_asked_where_wanted(self, mixture: Mixture) -> None:
        """Whatever the mixture's weight."""
        found = choose_level(FitParams(level="validation"), mixture, np.full(10, 0.2), np.full(10, 0.8))

        assert pytest.approx(0.2) == found.value
