"""Which crops a filter is fitted on, and which of them the classifier knew."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.datasets.types import DatasetItem, DatasetVersion
from services.errors import InvalidInputError
from services.pipelines import filter_data
from services.pipelines.filter_data import SplitRows, choose_items, seen_by


def item(index: int, split: str = "train", item_class: str = "normal", **changes: object) -> DatasetItem:
    """Return a crop of the split's slide, in a pack of its own."""
    told = {
        "position": index,
        "crop_id": f"crop-{index}",
        "item_class": item_class,
        "split": split,
        "group": f"{split}-slide",
        "chromosome": f"chromosome-{index}",
        "sha256": f"{index:064x}",
        "pack_key": f"pack-{index}",
        "pack_index": 0,
        "origin": "imported",
        "channels": ("red", "green", "dapi"),
        "bbox": (0, 0, 8, 8),
    }
    return DatasetItem(**(told | changes))  # type: ignore[arg-type]


def items() -> list[DatasetItem]:
    """Return two crops of each split, one of each class."""
    kinds = [
        (split, item_class) for split in ("train", "val", "test") for item_class in ("normal", "aberration")
    ]
    return [item(index, *kind) for index, kind in enumerate(kinds)]


def dataset(name: str = "mine", sha256: str = "a" * 64) -> DatasetVersion:
    """Return a version of a data set."""
    return DatasetVersion(name, 2, sha256, "import", {}, {}, datetime.now(UTC))


def trained(name: str = "mine", sha256: str = "b" * 64, *groups: str) -> dict[str, Any]:
    """Return a classifier's manifest that says what it had learnt from."""
    return {
        "dataset": {"name": name, "version": 1, "sha256": sha256},
        "training": {"groups": list(groups)},
    }


class TestChooseItems:
    def test_takes_training_and_validation(self) -> None:
        """The test split is not even listed."""
        chosen = choose_items(items(), ())

        assert (["crop-0", "crop-1"], ["crop-2", "crop-3"]) == (
            [one.crop_id for one in chosen.train],
            [one.crop_id for one in chosen.val],
        )
        assert 4 == len(chosen)
        assert {"val": ["val-slide"], "test": ["test-slide"]} == chosen.held_out_groups

    @pytest.mark.parametrize(
        "passed_over",
        [
            item(9, origin="generated", item_class="aberration"),
            item(9, item_class="unlabelled"),
        ],
    )
    def test_passes_over_what_is_no_real_labelled_crop(self, passed_over: DatasetItem) -> None:
        """What somebody made is no measure of what is real."""
        chosen = choose_items([*items(), passed_over], ())

        assert "crop-9" not in [one.crop_id for one in chosen.train]

    def test_leaves_groups_out_of_both(self) -> None:
        """They are told as held out."""
        chosen = choose_items([*items(), item(9, group="other")], ["train-slide", "val-slide"])

        assert (["crop-9"], []) == ([one.crop_id for one in chosen.train], list(chosen.val))
        assert ["train-slide", "val-slide"] == chosen.held_out_groups["left_out"]

    def test_thins_the_normals_of_training(self) -> None:
        """All aberrations stay, in the data set's order, and validation is not touched."""
        many = [*items(), *(item(10 + index) for index in range(9)), item(20, "val")]
        chosen = choose_items(many, (), normal_ratio=3.0)
        classes = [one.item_class for one in chosen.train]
        positions = [one.position for one in chosen.train]

        assert (1, 3, 7) == (classes.count("aberration"), classes.count("normal"), chosen.normals_left_out)
        assert sorted(positions) == positions
        assert 3 == len(chosen.val)

    def test_draws_by_the_seed(self) -> None:
        """The same seed draws the same normals, another one others."""
        many = [*items(), *(item(10 + index) for index in range(40))]
        first, again, other = (choose_items(many, (), 5.0, seed).train for seed in (1, 1, 2))

        assert first == again
        assert first != other

    @pytest.mark.parametrize("normal_ratio", [None, 1000.0])
    def test_takes_all_normals_where_there_are_no_more(self, normal_ratio: float | None) -> None:
        """And says that none was left out."""
        chosen = choose_items(items(), (), normal_ratio)

        assert (2, 0) == (len(chosen.train), chosen.normals_left_out)

    def test_refuses_an_unknown_group(self) -> None:
        """A typing error must not pass for a group that was left out."""
        with pytest.raises(InvalidInputError, match="no group 'tran-slide'"):
            choose_items(items(), ["tran-slide"])

    def test_refuses_an_empty_training_split(self) -> None:
        """The message says what to do."""
        with pytest.raises(InvalidInputError, match="annotate crops"):
            choose_items([item(0, "val"), item(1, "train", "unlabelled")], ())


class TestSeenBy:
    @pytest.mark.parametrize("source", [("mine", "b" * 64), ("other", "a" * 64)])
    def test_names_the_groups_of_the_same_data(self, source: tuple[str, str]) -> None:
        """By its name in another version, or by its content under another name."""
        manifest = trained(*source, "train-slide", "val-slide", "elsewhere")
        seen = seen_by(manifest, dataset(), choose_items(items(), ()))

        assert {"train": ["train-slide"], "val": ["val-slide"]} == seen

    @pytest.mark.parametrize(
        "manifest", [trained("other", "c" * 64, "train-slide"), {}, {"dataset": None, "training": None}]
    )
    def test_names_none_of_other_data(self, manifest: dict[str, Any]) -> None:
        """Two laboratories may call their slides alike; a manifest may say nothing."""
        assert {"train": [], "val": []} == seen_by(manifest, dataset(), choose_items(items(), ()))


class TestParts:
    def test_keep_packs_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A pack is read once, and every row is in one part."""
        monkeypatch.setattr(filter_data, "CROPS_PER_PART", 3)
        many = [item(index, pack_key=f"pack-{index % 3}") for index in range(8)]
        parts = list(filter_data._parts_of(many))

        assert [[0, 3, 6], [1, 4, 7], [2, 5]] == parts


class TestSplitRows:
    def test_tells_labels_and_groups(self) -> None:
        """In the order of the items."""
        rows = SplitRows(tuple(items()[:2]), None)  # type: ignore[arg-type]

        assert ([0, 1], ("train-slide", "train-slide")) == (rows.labels.tolist(), rows.groups)
