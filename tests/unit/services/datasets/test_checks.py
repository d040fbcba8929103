from __future__ import annotations

from dataclasses import replace

import pytest

from services.datasets.checks import (
    check_labels,
    check_leakage,
    chromosomes_of,
    content_sha256,
    counts_of,
    groups_of,
    warnings_of,
)
from services.datasets.errors import MAX_LISTED, DatasetLeakageError, InvalidDatasetError
from services.datasets.types import NewItem

ONE = NewItem("1.png", "normal", "train", "A06", "c1", "aa")
OTHER = NewItem("2.png", "normal", "val", "A04", "c2", "bb")


class TestLeakage:
    def test_nothing_shared(self) -> None:
        """Splits that share nothing pass."""
        check_leakage([ONE, replace(ONE, name="3.png", sha256="cc"), OTHER])

    @pytest.mark.parametrize(
        ("change", "what"),
        [({"group": "A06"}, "group"), ({"sha256": "aa"}, "picture"), ({"chromosome": "c1"}, "chromosome")],
    )
    def test_something_shared(self, change: dict[str, str], what: str) -> None:
        """A group, picture or chromosome in two splits is named."""
        with pytest.raises(DatasetLeakageError) as refusal:
            check_leakage([ONE, replace(OTHER, **change)])

        where = "group A06" if what == "group" else "1.png, 2.png"
        assert [(where, f"The same {what} is in train and val.")] == refusal.value.problems

    def test_a_long_list_is_cut(self) -> None:
        """Twenty are told and all are counted."""
        items = [
            replace(
                one, name=f"{n}", sha256=f"{n}", chromosome=one.chromosome + str(n), group=f"{one.group}{n}"
            )
            for n in range(50)
            for one in (ONE, replace(ONE, split="val"))
        ]
        with pytest.raises(DatasetLeakageError, match=r"^150 overlaps;") as refusal:
            check_leakage(items)

        assert MAX_LISTED == len(refusal.value.problems)


class TestLabels:
    def test_two_classes_of_one_picture(self) -> None:
        """The same pixels have one class."""
        with pytest.raises(InvalidDatasetError, match="1 problem;"):
            check_labels([ONE, replace(ONE, name="2.png", item_class="aberration")])


class TestSummaries:
    def test_counts(self) -> None:
        """Crops are counted one by one, chromosomes once."""
        items = [ONE, replace(ONE, sha256="cc"), OTHER]

        assert (2, 1) == (counts_of(items)["train"]["normal"], chromosomes_of(items)["train"]["normal"])
        assert {"count": 1, "names": ["A04"]} == groups_of(items)["val"]
        assert {"count": 0, "names": []} == groups_of(items)["test"]

    def test_warnings(self) -> None:
        """Repeated pixels, and splits that lack a class, are told."""
        assert [
            "1 crop(s) repeat the pixels of another in their split, first 1.png, 2.png.",
            "train holds no crop of class aberration.",
        ] == warnings_of([ONE, replace(ONE, name="2.png")])

    def test_hash_is_of_the_content(self) -> None:
        """Order and names do not count; pixels, class, split, group and chromosome do."""
        sha256 = content_sha256([ONE, OTHER])
        changes = [{"sha256": "x"}, {"item_class": "x"}, {"split": "x"}, {"group": "x"}, {"chromosome": "x"}]

        assert sha256 == content_sha256([OTHER, replace(ONE, name="x", crop_id="y")])
        assert len(changes) + 1 == len(
            {sha256, *(content_sha256([replace(ONE, **c), OTHER]) for c in changes)}
        )
