"""Which synthetic crops an arm adds."""

from __future__ import annotations

import numpy as np
import pytest

from models.study.arms import ARMS, ArmName
from models.study.mixing import Rows, chosen_rows, ranked

CANDIDATES = {"bbdm": 40, "painted": 80}
KEPT = {
    "bbdm": {"umap": np.array([3, 5, 8, 13, 21]), "knn": np.array([0, 1, 2, 3, 4])},
    "painted": {"umap": np.array([2, 4])},
}


def chosen(name: ArmName, limit: int | None = None, seed: int = 0) -> dict[str, Rows]:
    """Rows that an arm takes."""
    return chosen_rows(ARMS[name], CANDIDATES, KEPT, limit=limit, seed=seed)


def lists(name: ArmName, limit: int | None = None, seed: int = 0) -> dict[str, list[int]]:
    """Rows that an arm takes, as plain lists."""
    return {method: rows.tolist() for method, rows in chosen(name, limit, seed).items()}


class TestRanked:
    def test_takes_what_is_let_in_first(self) -> None:
        """Lower levels first; the rows come in ascending order."""
        assert [1, 3] == ranked(np.array([0.9, 0.1, 0.5, 0.2]), 2).tolist()

    def test_the_first_row_wins_a_tie(self) -> None:
        """So the number is exact, and always the same rows."""
        assert [0, 1, 3] == ranked(np.array([0.5, 0.5, 0.5, 0.1, 0.5]), 3).tolist()

    @pytest.mark.parametrize(("count", "rows"), [(0, []), (9, [0, 1, 2])])
    def test_none_or_more_than_there_are(self, count: int, rows: list[int]) -> None:
        """No row is made up."""
        assert rows == ranked(np.array([0.3, 0.2, 0.1]), count).tolist()


class TestChosenRows:
    def test_real_arms_add_nothing(self) -> None:
        """Simple remedies neither."""
        assert {} == chosen("real") == chosen("augmented-oversampled")

    def test_unfiltered_arms_take_all(self) -> None:
        """From each of their generators."""
        assert {"bbdm": list(range(40)), "painted": list(range(80))} == lists("augmented-bbdm-painted")

    def test_filtered_arms_take_what_their_own_filter_lets_in(self) -> None:
        """Of their own generator."""
        assert {"bbdm": [3, 5, 8, 13, 21]} == lists("augmented-bbdm-filtered")
        assert {"bbdm": [0, 1, 2, 3, 4]} == lists("augmented-bbdm-knn")
        assert {"painted": [2, 4]} == lists("augmented-painted-filtered")

    def test_the_random_control_is_as_large_as_the_filtered_set(self) -> None:
        """Drawn from all candidates, without repetition."""
        rows = chosen("augmented-bbdm-random")["bbdm"]

        assert 5 == len(set(rows.tolist()))
        assert rows.tolist() == sorted(rows.tolist()) != KEPT["bbdm"]["umap"].tolist()
        assert rows.max() < 40

    def test_seeds_draw_others(self) -> None:
        """So the control is no single draw; the same seed draws the same."""
        drawn = [lists("augmented-bbdm-random", seed=seed)["bbdm"] for seed in (0, 0, 1)]

        assert drawn[0] == drawn[1] != drawn[2]

    def test_a_limit_is_shared_in_proportion(self) -> None:
        """Twelve of 40 and 80 are four and eight."""
        rows = chosen("augmented-bbdm-painted", limit=12)

        assert {"bbdm": 4, "painted": 8} == {method: len(one) for method, one in rows.items()}
        assert rows["bbdm"].tolist() == sorted(set(rows["bbdm"].tolist()))

    def test_a_limit_takes_of_what_is_let_in(self) -> None:
        """The filter comes first."""
        rows = lists("augmented-bbdm-filtered", limit=3)["bbdm"]

        assert 3 == len(rows)
        assert set(rows) < set(KEPT["bbdm"]["umap"].tolist())

    def test_a_limit_that_is_not_reached_changes_nothing(self) -> None:
        """Not even the random control's draw."""
        assert lists("augmented-bbdm-filtered") == lists("augmented-bbdm-filtered", limit=5)
        assert lists("augmented-bbdm-random") == lists("augmented-bbdm-random", limit=100)
