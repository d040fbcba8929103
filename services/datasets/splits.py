"""Splits by whole groups (slides, subjects), every class shared out as evenly as the groups allow.

What lies on one slide looks alike, so a crop never decides its split alone. With few groups no exact
split exists: several orders are tried, each is improved by moving single groups, and the best is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.datasets.types import SplitFractions
from services.errors import InvalidInputError

LABELS = ("aberration", "normal")  # the rarest is placed first
_MOST_TRIALS = 32
_GROUPS_TRIED = 1000  # of all trials together
_PASSES = 20
_MANY_GROUPS = 1000  # beyond this single moves change nothing that matters
_MISSING = 1e3  # outweighs every deviation: each split gets each label if it can


def stratified_split(groups: Sequence[str], classes: Sequence[str], wanted: SplitFractions) -> dict[str, str]:
    """Assign whole groups to train, val and test.

    Parameters
    ----------
    groups : (N,) str
        The group of every crop.
    classes : (N,) str
        The class of every crop: normal, aberration or unlabelled.
    wanted
        Shares of every class to hold out. The same crops and seed give the same answer, in whatever
        order the crops come.

    Returns
    -------
    dict
        From group to split.

    Raises
    ------
    InvalidInputError
        There are fewer groups than splits, or a label lies in fewer groups than there are splits.
    """
    shares = _shares(wanted)
    names, counts = _counted(groups, classes)
    _check(names, counts, shares)
    plan = _Plan(counts, np.array(list(shares.values())))
    rng = np.random.default_rng(wanted.seed)
    trials = [plan.trial(rng.permutation(len(names))) for _ in range(_trials(len(names)))]
    _, assigned = min(trials, key=lambda trial: trial[0])
    kept = list(shares)
    return {name: kept[index] for name, index in zip(names, assigned, strict=True)}


def _trials(num_groups: int) -> int:
    """Many orders for few groups, where one group decides much; one for a great many."""
    return int(np.clip(_GROUPS_TRIED // num_groups, 1, _MOST_TRIALS))


def _shares(wanted: SplitFractions) -> dict[str, float]:
    """Share of every split that is wanted at all."""
    train = 1.0 - wanted.val_fraction - wanted.test_fraction
    if min(wanted.val_fraction, wanted.test_fraction) < 0 or train <= 0:
        raise InvalidInputError(
            "val_fraction and test_fraction must not be negative, and leave something to train on.",
            "val_fraction",
        )
    shares = {"train": train, "val": wanted.val_fraction, "test": wanted.test_fraction}
    return {split: share for split, share in shares.items() if share > 0}


def _counted(groups: Sequence[str], classes: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Sorted names of the groups, and (G, K) crops of each class; the labels come first."""
    names, group_index = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    kinds = [*LABELS, *sorted(set(classes) - set(LABELS))]
    class_index = np.array([kinds.index(one) for one in classes], np.intp)
    counts = np.zeros((len(names), len(kinds)), np.int64)
    np.add.at(counts, (group_index, class_index), 1)
    return [str(name) for name in names], counts


def _check(names: Sequence[str], counts: NDArray[np.int64], shares: dict[str, float]) -> None:
    if len(names) < len(shares):
        raise InvalidInputError(
            f"{len(names)} group(s) cannot make {len(shares)} splits ({', '.join(shares)}) without sharing a "
            "slide. Add slides, or set val_fraction or test_fraction to 0.",
            "splits",
        )
    for label, column in zip(LABELS, counts.T, strict=False):
        holding = int(np.count_nonzero(column))
        if 0 < holding < len(shares):
            where = ", ".join(name for name, count in zip(names, column, strict=True) if count)
            raise InvalidInputError(
                f"Crops of class {label} lie in {holding} group(s) only ({where}); {len(shares)} are needed "
                f"so that {', '.join(shares)} each have some. Label more slides, or set val_fraction or "
                "test_fraction to 0.",
                "splits",
            )


class _Plan:
    """Groups to place, and what a placement costs.

    Parameters
    ----------
    counts : (G, K) int64
        Crops per group and class, the labels' columns first.
    shares : (S,) float
        Wanted share of every split.
    """

    def __init__(self, counts: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
        self._counts = counts
        self._shares = shares
        whole = counts.sum(axis=0)
        self._weights = 1.0 / np.maximum(whole, 1)  # a rare class counts as much as a common one
        self._targets = shares[:, np.newaxis] * whole
        self._labels = [label for label in range(len(LABELS)) if whole[label]]
        # Row s adds to split s and to no other.
        self._choices = np.eye(len(shares), dtype=np.int64)[:, :, np.newaxis]

    def trial(self, order: NDArray[np.intp]) -> tuple[float, NDArray[np.intp]]:
        """Place groups one by one where they fit best, then move single ones while that helps.

        Returns
        -------
        float
            The cost.
        (G,) intp
            The split of every group.
        """
        assigned = np.full(len(self._counts), -1, np.intp)
        totals = np.zeros(self._targets.shape, np.int64)
        first = self._representatives(order)
        placed = set(first)
        # Large groups early: the small ones then fill the gaps. Ties stay in the drawn order.
        sizes = self._counts.sum(axis=1)
        rest = [int(group) for group in order[np.argsort(-sizes[order], kind="stable")]]
        for group in [*first, *(group for group in rest if group not in placed)]:
            self._place(group, assigned, totals)
        if len(order) <= _MANY_GROUPS:
            self._improve(assigned, totals)
        return float(self._costs(totals)), assigned

    def _representatives(self, order: NDArray[np.intp]) -> list[int]:
        """Enough groups of each label to go round; each is placed while a split is still in need."""
        chosen: list[int] = []
        for label in self._labels:
            holding = [int(group) for group in order if self._counts[group, label]]
            already = set(chosen) & set(holding)
            fresh = [group for group in holding if group not in already]
            chosen += fresh[: max(len(self._shares) - len(already), 0)]
        return chosen

    def _place(self, group: int, assigned: NDArray[np.intp], totals: NDArray[np.int64]) -> None:
        costs = self._costs(totals + self._choices * self._counts[group])
        assigned[group] = int(np.argmin(costs))
        totals[assigned[group]] += self._counts[group]

    def _improve(self, assigned: NDArray[np.intp], totals: NDArray[np.int64]) -> None:
        for _ in range(_PASSES):
            before = assigned.copy()
            for group in range(len(self._counts)):
                totals[assigned[group]] -= self._counts[group]
                self._place(group, assigned, totals)
            if np.array_equal(before, assigned):
                return

    def _costs(self, totals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Squared deviations from the wish, and much more for a split that lacks a label.

        Parameters
        ----------
        totals : (…, S, K) int64
            Crops per split and class.
        """
        deviations = (totals - self._targets) * self._weights
        empty = (totals.sum(axis=-1) == 0).sum(axis=-1)
        missing = (totals[..., self._labels] == 0).sum(axis=(-2, -1))
        costs: NDArray[np.float64] = (deviations**2).sum(axis=(-2, -1)) + _MISSING * (empty + missing)
        return costs
