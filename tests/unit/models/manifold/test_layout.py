from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from umap.layouts import optimize_layout_euclidean
from umap.umap_ import make_epochs_per_sample
from umap.utils import tau_rand_int

from models.manifold.layout import LANES, _draw, settle

EPOCHS = 100
RNG_STATE = np.array([-1_562_034_071, 1_999_999_937, 12_345], np.int64)


@dataclass(frozen=True)
class Case:
    """Rows that are to settle on a map."""

    starts: NDArray[np.float32]
    neighbours: NDArray[np.int32]
    weights: NDArray[np.float32]
    points: NDArray[np.float32]
    a: float = 1.577
    b: float = 0.895
    repulsion: float = 1.0
    negatives: int = 5

    def take(self, rows: object) -> Case:
        """Keep some of the rows, in that order."""
        return replace(
            self,
            starts=self.starts[rows],
            neighbours=self.neighbours[rows],
            weights=self.weights[rows],
        )


def make_case(num_rows: int, k: int = 15, num_points: int = 337, seed: int = 0) -> Case:
    rng = np.random.default_rng(seed)
    points = (rng.normal(size=(num_points, 2)) * 4.0).astype(np.float32)
    targets = (rng.normal(size=(num_rows, 2)) * 4.0).astype(np.float32)
    apart = np.linalg.norm(targets[:, None] - points, axis=2)
    neighbours = np.argsort(apart, axis=1)[:, :k].astype(np.int32)
    weights = np.sort(rng.uniform(0.0, 1.0, (num_rows, k)) ** 3, axis=1)[:, ::-1].astype(np.float32)
    return Case(targets, neighbours, np.ascontiguousarray(weights), points)


def settled(case: Case, epochs: int = EPOCHS, size: int = LANES) -> NDArray[np.float32]:
    """Settle the rows of a case, `size` side by side."""
    out = np.full_like(case.starts, np.nan)
    for first in range(0, len(out), size):
        part = case.take(slice(first, first + size))
        settle(
            part.starts,
            part.neighbours,
            part.weights,
            part.points,
            RNG_STATE,
            part.a,
            part.b,
            epochs,
            0.25,
            part.repulsion,
            part.negatives,
            out[first : first + size],
        )
    return out


def umaps(case: Case, epochs: int = EPOCHS) -> NDArray[np.float32]:
    """Settle every row in a call of umap-learn's, as its `transform` of this row alone does."""
    found = []
    for i in range(len(case.starts)):
        counts = case.weights[i] >= case.weights[i].max() / np.float32(epochs)
        counts &= case.weights[i] > 0
        tails = case.neighbours[i][counts]
        found.append(
            optimize_layout_euclidean(
                case.starts[i : i + 1].copy(),
                case.points.copy(),
                np.zeros(len(tails), np.int32),
                tails,
                epochs,
                len(case.points),
                make_epochs_per_sample(case.weights[i][counts], epochs),
                case.a,
                case.b,
                RNG_STATE,
                case.repulsion,
                0.25,
                case.negatives,
                parallel=False,
            )
        )
    return np.concatenate(found)


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case(3 * LANES + 5)


class TestSettle:
    def test_rows_settle_where_umap_learn_lets_each_alone(self, case: Case) -> None:
        """From the same start and the same random numbers, within rounding."""
        assert np.abs(umaps(case) - settled(case)).max() < 1e-4

    @pytest.mark.parametrize(("k", "num_points", "epochs"), [(2, 50, 30), (8, 1024, 100), (40, 5000, 31)])
    def test_other_numbers_of_neighbours_points_and_epochs_do_the_same(
        self, k: int, num_points: int, epochs: int
    ) -> None:
        """Powers of two and others."""
        case = make_case(40, k, num_points, seed=k)

        assert np.abs(umaps(case, epochs) - settled(case, epochs)).max() < 1e-4

    @pytest.mark.parametrize(
        "changes",
        [{"a": 0.115, "b": 1.93}, {"a": 5.07, "b": 1.003}, {"repulsion": 0.3}, {"negatives": 2}],
        ids=["flat", "steep", "repulsion", "negatives"],
    )
    def test_other_curves_and_rates_do_the_same(self, case: Case, changes: dict[str, float]) -> None:
        """The curves of min_dist 0.99 and 0 with other exponents."""
        case = replace(case.take(slice(40)), **changes)

        assert np.abs(umaps(case) - settled(case)).max() < 1e-4

    def test_rows_that_begin_on_points_do_the_same(self, case: Case) -> None:
        """Where distances are zero nothing pulls or pushes, and nothing is divided by zero."""
        on_points = replace(case, starts=case.points[case.neighbours[:, 0]]).take(slice(40))

        assert np.abs(umaps(on_points) - settled(on_points)).max() < 1e-4

    def test_neighbours_that_are_too_weak_do_not_pull(self, case: Case) -> None:
        """Less than a hundredth of the strongest's, over 100 epochs; as if they were none."""
        weights = case.weights.copy()
        weights[:, 8:] = weights[:, :1] / np.float32(101.0)
        without = weights.copy()
        without[:, 8:] = 0.0

        weak = settled(replace(case, weights=weights))

        assert (settled(replace(case, weights=without)) == weak).all()
        assert np.abs(umaps(replace(case, weights=weights).take(slice(20))) - weak[:20]).max() < 1e-4

    def test_a_row_without_strengths_stays(self, case: Case) -> None:
        """No edge, no move, no error."""
        still = replace(case, weights=np.zeros_like(case.weights))

        assert (case.starts == settled(still)).all()

    def test_the_map_and_the_starts_stay(self, case: Case) -> None:
        """Only the results are written."""
        points, starts = case.points.copy(), case.starts.copy()

        settled(case)

        assert (points == case.points).all()
        assert (starts == case.starts).all()


class TestCompany:
    @pytest.mark.parametrize("size", [1, 2, 7, LANES - 1])
    def test_lanes_hold_the_same_bits_in_any_number(self, case: Case, size: int) -> None:
        """Alone, in blocks of seven, and all lanes but one."""
        assert (settled(case) == settled(case, size=size)).all()

    def test_another_order_gives_the_same_bits(self, case: Case) -> None:
        """A row may stand in any lane beside any others."""
        order = np.random.default_rng(1).permutation(len(case.starts))

        assert (settled(case)[order] == settled(case.take(order))).all()

    def test_neighbours_with_odd_places_disturb_no_lane(self, case: Case) -> None:
        """Not even a row that is not a number."""
        starts = case.starts.copy()
        starts[::3] = np.float32(1e30)
        starts[1::3] = np.nan
        kept = np.arange(len(starts)) % 3 == 2

        assert (settled(case)[kept] == settled(replace(case, starts=starts))[kept]).all()


class TestDraw:
    @pytest.mark.parametrize("size", [2, 3, 500, 4096, 14_737, 2**31 - 1])
    def test_points_are_drawn_as_umap_learn_draws_them(self, size: int) -> None:
        """The remainder of signed numbers, never negative; lanes with fewer draws keep their state."""
        pushes = np.arange(LANES) % 5
        offsets = np.random.default_rng(0).normal(size=LANES).view(np.int64)
        states = (RNG_STATE[:, None] + offsets).ravel()
        own = np.ascontiguousarray(states.reshape(3, LANES).T)
        indices = np.zeros(LANES, np.int32)

        for n in range(5):
            _draw(states, LANES, pushes, n, np.float64(size), indices)
            for lane in np.flatnonzero(pushes > n):
                assert tau_rand_int(own[lane]) % size == indices[lane]
        assert (own == states.reshape(3, LANES).T).all()
