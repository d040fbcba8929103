"""What a generator learns from, and what it is shown with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from models.classification.preprocessing import Preprocessing
from models.segmentation.crops import CropPack
from services.datasets.types import DatasetItem
from services.errors import InvalidInputError
from services.pipelines.generator_data import GeneratorData, choose_examples, load_data
from services.storage.base import ObjectStore
from services.storage.factory import open_store

SIDE = 32
PREPROCESSING = Preprocessing(canvas_px=SIDE, scale=1.0)
PACK = "crops/pack.npz"


def item(index: int, split: str, item_class: str, **changes: object) -> DatasetItem:
    """Return a crop of one of two slides of its split, with a chromosome of its own."""
    told = {
        "position": index,
        "crop_id": f"crop-{index}",
        "item_class": item_class,
        "split": split,
        "group": f"{split}-{index // 6 % 2}",
        "chromosome": f"chromosome-{index}",
        "sha256": f"{index:064x}",
        "pack_key": PACK,
        "pack_index": index,
        "origin": "imported",
        "channels": ("red", "green", "dapi"),
        "bbox": (0, 0, 8, 8),
    }
    return DatasetItem(**(told | changes))  # type: ignore[arg-type]


def dataset(per_class: int = 6) -> list[DatasetItem]:
    """Return crops of all splits and classes; the red level of a crop is its position."""
    kinds = [
        (split, item_class) for split in ("train", "val", "test") for item_class in ("normal", "aberration")
    ]
    return [item(index, *kinds[index % len(kinds)]) for index in range(per_class * len(kinds))]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """A store with one pack of squares, of which each has a red level of its own."""
    store = open_store((tmp_path / "objects").as_uri())
    count = len(dataset())
    pixels = np.zeros((count, 3, 12, 12), np.uint8)
    pixels[:, :, 2:10, 2:10] = np.arange(count, dtype=np.uint8)[:, None, None, None]
    masks = np.zeros((count, 12, 12), bool)
    masks[:, 2:10, 2:10] = True
    windows = np.tile(np.array([0, 0, 12, 12], np.int32), (count, 1))
    store.put(PACK, CropPack(pixels, masks, np.arange(1, count + 1, dtype=np.int32), windows).to_npz())
    return store


Load = Callable[..., GeneratorData]


@pytest.fixture
def load(store: ObjectStore) -> Load:
    """Load items of that pack."""

    def of(items: Sequence[DatasetItem], *left_out: str, seed: int = 0) -> GeneratorData:
        return load_data(
            store, items, PREPROCESSING, leave_out_groups=left_out, seed=seed, told=lambda *_: None
        )

    return of


def levels(canvases: np.ndarray) -> set[int]:
    """Red level of each canvas: the position of its crop."""
    return {int(canvas[0].max()) for canvas in canvases}


def positions(split: str, item_class: str) -> set[int]:
    return {one.position for one in dataset() if (one.split, one.item_class) == (split, item_class)}


class TestLoadData:
    def test_learns_from_the_aberrations_of_training_alone(self, load: Load) -> None:
        """Neither normals nor other splits."""
        data = load(dataset())

        assert positions("train", "aberration") == levels(data.aberrations)
        assert positions("val", "aberration") == levels(data.validation)
        assert (6, 3, SIDE, SIDE) == data.aberrations.shape

    def test_tells_whose_slides_played_no_part(self, load: Load) -> None:
        """By split, with the left-out ones apart."""
        data = load(dataset(), "train-1", "test-1")
        held_out = {"val": ["val-0", "val-1"], "test": ["test-0"], "left_out": ["test-1", "train-1"]}

        assert held_out == data.held_out_groups
        assert ("train-0",) == data.groups

    def test_leaves_groups_out(self, load: Load) -> None:
        """Their aberrations are neither learnt from nor shown."""
        data = load(dataset(), "train-1", "val-0")
        kept = {one.position for one in dataset() if one.group in {"train-0", "val-1"}}

        assert 3 == len(data.aberrations) == len(data.validation)
        shown = (data.aberrations, data.validation, data.examples.sources.canvases)
        assert all(levels(canvases) <= kept for canvases in shown)

    def test_refuses_a_group_that_is_not_there(self, load: Load) -> None:
        """A typing error would train on everything."""
        with pytest.raises(InvalidInputError, match="no group 'T9'"):
            load(dataset(), "T9")

    def test_refuses_too_few_aberrations(self, load: Load) -> None:
        """The message says how many there are, and what to do."""
        items = [one for one in dataset() if (one.split, one.item_class) != ("train", "aberration")]
        with pytest.raises(InvalidInputError, match=r"has 0 aberrations; at least 2 .* Annotate more"):
            load(items)

    def test_reads_no_test_crop(self, load: Load) -> None:
        """Their pack need not even exist."""
        items = [
            item(one.position, one.split, one.item_class, pack_key="crops/gone.npz")
            if one.split == "test"
            else one
            for one in dataset()
        ]

        assert 6 == len(load(items).validation)

    def test_survives_validation_without_aberrations(self, load: Load) -> None:
        """Then nothing is measured on it, and the examples come from training."""
        data = load([one for one in dataset() if one.split == "train"])

        assert (0, 3, SIDE, SIDE) == data.validation.shape
        assert "train" == data.examples.split

    def test_shows_sources_under_their_masks(self, load: Load) -> None:
        """An example is the crop's canvas, and lies where its mask says."""
        examples = load(dataset()).examples
        shown = examples.sources

        assert "val" == examples.split
        assert 8 == len(shown) == len(examples.captions)
        np.testing.assert_array_equal(shown.masks, shown.canvases.max(axis=1) > 0)
        assert levels(shown.canvases) <= positions("val", "aberration") | positions("val", "normal")


class TestChooseExamples:
    def test_takes_half_of_each_class(self) -> None:
        """Aberrations first."""
        chosen = choose_examples(dataset(), seed=0)

        assert ["aberration"] * 4 + ["normal"] * 4 == [one.item_class for one in chosen]
        assert {"val"} == {one.split for one in chosen}

    def test_fills_up_with_the_other_class(self) -> None:
        """Two aberrations leave room for six normals, and the other way round."""
        few = [one for one in dataset(8) if one.item_class == "normal" or one.position < 12]
        chosen = choose_examples(few, seed=0)

        assert (2, 6) == tuple(
            [one.item_class for one in chosen].count(name) for name in ("aberration", "normal")
        )
        only = [one for one in dataset(8) if one.item_class == "aberration"]
        assert 8 == len(choose_examples(only, seed=0))

    def test_takes_no_chromosome_twice(self) -> None:
        """Views of one chromosome have the same DAPI."""
        views = [
            item(index, "val", "aberration", chromosome=f"c{index % 3}", group="V") for index in range(12)
        ]
        chosen = choose_examples(views, seed=0)

        assert ["c0", "c1", "c2"] == sorted(one.chromosome for one in chosen)

    def test_follows_from_pixels_and_seed(self) -> None:
        """Neither from the order nor from the ids; another seed chooses others."""
        again = [
            item(one.position, one.split, one.item_class, crop_id=f"again-{one.position}")
            for one in dataset()
        ]
        chosen = [one.sha256 for one in choose_examples(dataset(), seed=0)]

        assert chosen == [one.sha256 for one in choose_examples(again[::-1], seed=0)]
        assert chosen != [one.sha256 for one in choose_examples(dataset(), seed=1)]
