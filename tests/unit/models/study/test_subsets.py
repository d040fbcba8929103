"""Learning curves: larger subsets hold smaller ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from models.study.subsets import first_aberrations

LABELS = np.array([0, 1] * 30, np.int64)
CHROMOSOMES = [f"c{row // 6}" for row in range(60)]  # three aberrations and three normals of each


def aberrations(count: int | None, seed: int = 0) -> list[int]:
    """Rows of the aberrations that are taken."""
    rows = first_aberrations(LABELS, CHROMOSOMES, count, seed)
    return [int(row) for row in rows if LABELS[row]]


class TestFirstAberrations:
    @pytest.mark.parametrize("count", [None, 30, 1000])
    def test_takes_all_there_are(self, count: int | None) -> None:
        """Where there are no more than asked for."""
        assert list(range(60)) == first_aberrations(LABELS, CHROMOSOMES, count, 0).tolist()

    def test_takes_as_many_as_asked_and_every_normal(self) -> None:
        """In ascending order."""
        rows = first_aberrations(LABELS, CHROMOSOMES, 7, 0)

        assert 7 == LABELS[rows].sum()
        assert set(np.flatnonzero(LABELS == 0)) <= set(rows)
        assert sorted(rows.tolist()) == rows.tolist()

    def test_a_larger_count_holds_a_smaller_one(self) -> None:
        """So a learning curve adds crops, and exchanges none."""
        taken = [set(aberrations(count)) for count in range(2, 31)]

        assert all(small < large for small, large in itertools.pairwise(taken))

    def test_takes_whole_chromosomes_but_for_the_last(self) -> None:
        """Views of one chromosome are no independent aberrations."""
        chosen = aberrations(8)
        per_chromosome = [
            sum(CHROMOSOMES[row] == name for row in chosen) for name in dict.fromkeys(CHROMOSOMES)
        ]

        assert [0] * 7 + [2, 3, 3] == sorted(per_chromosome)

    def test_seeds_take_others(self) -> None:
        """One seed always takes the same."""
        assert aberrations(6, 1) == aberrations(6, 1)
        assert aberrations(6, 1) != aberrations(6, 2)
