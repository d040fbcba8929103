"""Items of a data set that a study can run on; none has pixels."""

from __future__ import annotations

from services.datasets.types import DatasetItem

CLASSES = ("normal", "aberration")


def item(group: str, split: str, item_class: str = "normal", number: int = 0) -> DatasetItem:
    """Return a crop of a slide."""
    name = f"{group}-{item_class}-{number}"
    return DatasetItem(
        0, name, item_class, split, group, name, name, "k", 0, "imported", ("dapi",), (0, 0, 1, 1)
    )


def crops(group: str, split: str, classes: tuple[str, ...] = CLASSES) -> list[DatasetItem]:
    """Return three crops of each class."""
    return [item(group, split, one, number) for one in classes for number in range(3)]


SOUND = [
    *crops("a", "train", (*CLASSES, "unlabelled")),
    *crops("b", "train"),
    *crops("v", "val"),
    *crops("t", "test"),
    *crops("u", "test"),
]
"""Two slides to learn from, two to be judged on, and crops to generate from."""
