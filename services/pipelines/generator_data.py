"""What a generator learns from, and the fixed crops on which its progress is shown.

Learnt from are the aberrations of the training split alone. Progress is shown, and the loss measured,
on validation; the test split is never read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.classification.preprocessing import Preprocessing, mask_on_canvas
from models.generation.sources import Sources
from models.segmentation.crops import CropPack
from services.datasets.types import DatasetItem
from services.errors import InvalidInputError
from services.pipelines.training_data import held_out_groups, load_splits, require_groups
from services.storage.base import ObjectStore

MIN_ABERRATIONS = 2
NUM_EXAMPLES = 8
MAX_VALIDATION = 64  # their loss is measured five times, and more would tell little more
_CLASSES = ("aberration", "normal")


@dataclass(frozen=True)
class Examples:
    """Crops whose generated pictures are kept over the training.

    Attributes
    ----------
    sources
        (N, 3, S, S) canvases with their masks.
    captions : (N,)
        What each of them is.
    split
        ``val``, or ``train`` where validation has none.
    """

    sources: Sources
    captions: tuple[str, ...]
    split: str


@dataclass(frozen=True)
class GeneratorData:
    """What a generator is trained on and shown with.

    Attributes
    ----------
    aberrations, validation : (N, 3, S, S) and (V, 3, S, S) uint8
        Canvases of aberrations; V may be 0.
    groups
        Slides or subjects of the N training aberrations, each once.
    held_out_groups
        By split, those that played no part in the weights.
    """

    aberrations: NDArray[np.uint8]
    validation: NDArray[np.uint8]
    groups: tuple[str, ...]
    held_out_groups: dict[str, list[str]]
    examples: Examples


def load_data(
    store: ObjectStore,
    items: Sequence[DatasetItem],
    preprocessing: Preprocessing,
    *,
    leave_out_groups: Sequence[str],
    seed: int,
    told: Callable[[int, int], None],
) -> GeneratorData:
    """Read the aberrations of training and validation, and choose the examples.

    Parameters
    ----------
    seed
        Of the job: it chooses the examples.
    told
        Called before every pack with how many crops are read, and how many there are.

    Raises
    ------
    InvalidInputError
        There are too few aberrations to learn from, or a left-out group does not exist.
    """
    left_out = require_groups(items, leave_out_groups)
    usable = [item for item in items if item.group not in left_out and item.split != "test"]
    train = _aberrations(usable, "train")
    if len(train) < MIN_ABERRATIONS:
        outside = " outside the left-out groups" if left_out else ""
        raise InvalidInputError(
            f"The training split has {len(train)} aberrations{outside}; at least {MIN_ABERRATIONS} are "
            "needed to learn from, and some hundred to learn well. Annotate more crops, or choose other "
            "splits.",
            "dataset",
        )
    val = _ordered(_aberrations(usable, "val"), seed)[:MAX_VALIDATION]
    shown = choose_examples(usable, seed)
    canvases = _canvases(store, [*train, *val, *shown], preprocessing, told)
    return GeneratorData(
        canvases[: len(train)],
        canvases[len(train) : len(train) + len(val)],
        tuple(sorted({item.group for item in train})),
        held_out_groups(items, left_out),
        _examples(store, shown, canvases[len(train) + len(val) :], preprocessing, seed),
    )


def choose_examples(items: Sequence[DatasetItem], seed: int) -> list[DatasetItem]:
    """Choose at most 8 labelled crops to show progress on, aberrations first, then normals.

    Validation's, or training's where validation has no aberration. No chromosome comes twice, and half
    of the places go to each class as far as there are crops. The choice follows from the crops' pixels
    and the seed, not from their order or ids.
    """
    for split in ("val", "train"):
        by_class = {
            name: _distinct(
                _ordered([one for one in items if (one.split, one.item_class) == (split, name)], seed)
            )
            for name in _CLASSES
        }
        if by_class["aberration"]:
            break
    aberrations, normals = by_class["aberration"], by_class["normal"]
    places = max(NUM_EXAMPLES // 2, NUM_EXAMPLES - len(normals))
    aberrations = aberrations[:places]
    return aberrations + normals[: NUM_EXAMPLES - len(aberrations)]


def _aberrations(items: Sequence[DatasetItem], split: str) -> list[DatasetItem]:
    return [item for item in items if (item.split, item.item_class) == (split, "aberration")]


def _canvases(
    store: ObjectStore,
    items: Sequence[DatasetItem],
    preprocessing: Preprocessing,
    told: Callable[[int, int], None],
) -> NDArray[np.uint8]:
    """(N, 3, S, S) of the items in their order; one that comes twice is read once."""
    once = list({item.crop_id: item for item in items}.values())
    splits = load_splits(store, once, preprocessing, (), told)
    found = {
        crop_id: canvas
        for split in splits.values()
        for crop_id, canvas in zip(split.crop_ids, split.canvases, strict=True)
    }
    return np.stack([found[item.crop_id] for item in items])


def _ordered(items: Sequence[DatasetItem], seed: int) -> list[DatasetItem]:
    """Shuffle by content, so that the same pixels come in the same order under other ids."""
    return sorted(
        items, key=lambda one: (hashlib.sha256(f"{seed}:{one.sha256}".encode()).hexdigest(), one.position)
    )


def _distinct(items: Sequence[DatasetItem]) -> list[DatasetItem]:
    """Leave out further views of a chromosome that is there already: their DAPI is the same."""
    return list({(one.group, one.chromosome): one for one in reversed(items)}.values())[::-1]


def _examples(
    store: ObjectStore,
    items: Sequence[DatasetItem],
    canvases: NDArray[np.uint8],
    preprocessing: Preprocessing,
    seed: int,
) -> Examples:
    masks = [
        mask_on_canvas(CropPack.from_npz(store.get(item.pack_key)).masks[item.pack_index], preprocessing)
        for item in items
    ]
    # Named by content: the noise of an example is the same in every import of the same data.
    names = tuple(item.sha256 for item in items)
    sources = Sources(canvases, np.stack(masks), names, (0,) * len(items), seed)
    captions = tuple(f"{item.item_class}, {item.group}" for item in items)
    return Examples(sources, captions, items[0].split)
