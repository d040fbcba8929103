from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.datasets.splits import stratified_split
from services.datasets.types import SplitFractions
from services.errors import InvalidInputError

# Per group: normals, aberrations, unlabelled.
GROUPS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 4), st.integers(0, 5)).filter(any), min_size=3, max_size=12
)


def crops_of(sizes: list[tuple[int, int, int]]) -> list[tuple[str, str]]:
    """Group and class of every crop."""
    kinds = ("normal", "aberration", "unlabelled")
    return [
        (f"g{number}", kind)
        for number, counts in enumerate(sizes)
        for kind, count in zip(kinds, counts, strict=True)
        for _ in range(count)
    ]


def split(crops: list[tuple[str, str]], **wanted: float) -> dict[str, str]:
    groups, classes = zip(*crops, strict=True)
    return stratified_split(groups, classes, SplitFractions(**wanted))  # type: ignore[arg-type]


def is_possible(crops: list[tuple[str, str]]) -> bool:
    """Whether each label that occurs lies in three groups."""
    holding = defaultdict(set)
    for group, kind in crops:
        holding[kind].add(group)
    return all(len(holding[label]) not in (1, 2) for label in ("normal", "aberration"))


class TestStratifiedSplit:
    @given(sizes=GROUPS, seed=st.integers(0, 5))
    @settings(max_examples=60, deadline=None)
    def test_every_split_has_every_label(self, sizes: list[tuple[int, int, int]], seed: int) -> None:
        """Whatever the groups, no split lacks a label that can be shared out, and none is empty."""
        crops = crops_of(sizes)
        assume(is_possible(crops))
        assigned = split(crops, seed=seed)
        found = Counter((assigned[group], kind) for group, kind in crops)
        labels = {kind for _, kind in crops} & {"normal", "aberration"}

        assert {group for group, _ in crops} == set(assigned)
        assert {"train", "val", "test"} == set(assigned.values())
        assert all(found[name, label] for name in ("train", "val", "test") for label in labels)

    @given(sizes=GROUPS, seed=st.integers(0, 5), order=st.randoms(use_true_random=False))
    @settings(max_examples=40, deadline=None)
    def test_order_does_not_matter(
        self, sizes: list[tuple[int, int, int]], seed: int, order: random.Random
    ) -> None:
        """The same crops in another order are split in the same way."""
        crops = crops_of(sizes)
        assume(is_possible(crops))
        shuffled = list(crops)
        order.shuffle(shuffled)

        assert split(crops, seed=seed) == split(shuffled, seed=seed)

    def test_shares_are_met_for_every_class(self) -> None:
        """With many groups each class is shared out as wished, the rare one as well as the common one."""
        draw = random.Random(0)
        crops = crops_of([(draw.randint(10, 60), draw.randint(0, 6), 0) for _ in range(60)])
        assigned = split(crops, val_fraction=0.2, test_fraction=0.1)
        found = Counter((assigned[group], kind) for group, kind in crops)
        totals = Counter(kind for _, kind in crops)

        for kind, total in totals.items():
            assert found["val", kind] / total == pytest.approx(0.2, abs=0.02)
            assert found["test", kind] / total == pytest.approx(0.1, abs=0.02)

    def test_the_best_of_few_is_found(self) -> None:
        """Groups that fit the shares exactly are found, whatever the seed."""
        crops = crops_of([(40, 4, 0), (20, 2, 0), (20, 2, 0), (10, 1, 0), (10, 1, 0)])
        for seed in range(5):
            assigned = split(crops, val_fraction=0.2, test_fraction=0.2, seed=seed)

            assert {"train": 60, "val": 20, "test": 20} == Counter(
                assigned[group] for group, kind in crops if kind == "normal"
            )

    def test_a_split_of_no_share_is_empty(self) -> None:
        """Two groups are enough where nothing is held out for testing."""
        assert {"g0": "train", "g1": "val"} == split(
            crops_of([(30, 3, 0), (10, 1, 0)]), val_fraction=0.25, test_fraction=0
        )

    def test_unlabelled_alone(self) -> None:
        """Sources without labels are split by their number."""
        assert {"train", "val", "test"} == set(split(crops_of([(0, 0, 5)] * 3)).values())

    @pytest.mark.parametrize(
        ("sizes", "wanted", "advice"),
        [
            ([(5, 1, 0)] * 2, {}, "Add slides"),
            ([(5, 1, 0), (5, 0, 0), (5, 0, 0)], {}, "aberration lie in 1 group(s) only (g0)"),
            ([(5, 1, 0)] * 3, {"val_fraction": 0.6, "test_fraction": 0.4}, "leave something to train on"),
            ([(5, 1, 0)] * 3, {"val_fraction": -0.1}, "not be negative"),
        ],
    )
    def test_impossible_wishes(
        self, sizes: list[tuple[int, int, int]], wanted: dict[str, float], advice: str
    ) -> None:
        """What cannot be split is refused with what to do."""
        with pytest.raises(InvalidInputError) as refusal:
            split(crops_of(sizes), **wanted)

        assert advice in str(refusal.value)
