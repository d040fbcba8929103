from __future__ import annotations

import pytest

from services.datasets.assigning import split_items
from services.datasets.errors import InvalidDatasetError
from services.datasets.types import NamedSplits, NewItem, SplitFractions


def item(number: int, group: str, chromosome: str | None = None) -> NewItem:
    return NewItem(str(number), "normal", "", group, chromosome or f"c{number}", f"{number:064x}")


class TestSplitItems:
    def test_views_of_one_chromosome_stay_together(self) -> None:
        """Where every file is a group, those that show one chromosome are moved as one."""
        items = [item(n, f"g{n}", f"c{n // 3}") for n in range(30)]
        split = split_items(items, SplitFractions())

        assert {"train", "val", "test"} == {one.split for one in split}
        for start in range(0, 30, 3):
            assert 1 == len({one.split for one in split[start : start + 3]})

    def test_named_groups(self) -> None:
        """Each group lands where it was named, in the items' order."""
        split = split_items([item(0, "b"), item(1, "a")], NamedSplits(train=("a",), test=("b",)))

        assert [("b", "test"), ("a", "train")] == [(one.group, one.split) for one in split]

    def test_named_twice(self) -> None:
        """A group cannot lie in two splits."""
        with pytest.raises(InvalidDatasetError) as refusal:
            split_items([item(0, "a")], NamedSplits(train=("a",), val=("a",)))

        assert [("a", "is named for train and for val.")] == refusal.value.problems
