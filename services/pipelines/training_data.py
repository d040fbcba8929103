"""A data set version as a classifier sees it: canvases, labels and groups, split by split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.classification.preprocessing import Preprocessing
from models.classification.training_set import LabelledCanvases
from models.segmentation.crops import CropPack
from services.crops.canvases import canvases_of
from services.datasets.types import DatasetItem
from services.errors import InvalidInputError
from services.storage.base import ObjectStore

LEFT_OUT = "left_out"
LABELS: Final[Mapping[str, int]] = MappingProxyType({"normal": 0, "aberration": 1})


@dataclass(frozen=True)
class SplitData:
    """Labelled crops of one split.

    Attributes
    ----------
    crops
        Canvases (N, 3, S, S) uint8 and labels (N,).
    groups, chromosomes, crop_ids
        One for each of the N crops.
    """

    crops: LabelledCanvases
    groups: tuple[str, ...]
    chromosomes: tuple[str, ...]
    crop_ids: tuple[str, ...]

    @property
    def canvases(self) -> NDArray[np.uint8]:
        """(N, 3, S, S) uint8."""
        return self.crops.canvases

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) 0 normal, 1 aberration."""
        return self.crops.labels

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self.crop_ids)


def load_splits(
    store: ObjectStore,
    items: Sequence[DatasetItem],
    preprocessing: Preprocessing,
    left_out_groups: Sequence[str],
    told: Callable[[int, int], None],
) -> dict[str, SplitData]:
    """Read a data set's labelled crops, each pack once.

    Parameters
    ----------
    left_out_groups
        Groups that become the split ``left_out``, whatever split they were in.
    told
        Called before every pack with how many crops are read, and how many there are.

    Returns
    -------
    dict
        ``train``, ``val`` and ``test``, and ``left_out`` if groups were named. Crops keep the data
        set's order. Unlabelled items are passed over.

    Raises
    ------
    InvalidInputError
        A left-out group is not in the data set.
    """
    left_out = require_groups(items, left_out_groups)
    labelled = [item for item in items if item.item_class in LABELS]
    canvases = _canvases(store, labelled, preprocessing, told)
    names = ["train", "val", "test"] + ([LEFT_OUT] if left_out else [])
    rows: dict[str, list[int]] = {name: [] for name in names}
    for row, item in enumerate(labelled):
        rows[LEFT_OUT if item.group in left_out else item.split].append(row)
    return {name: _split(labelled, canvases, chosen) for name, chosen in rows.items()}


def require_groups(items: Sequence[DatasetItem], names: Sequence[str]) -> frozenset[str]:
    """Return the named groups; raises `InvalidInputError` if the data set does not have one of them."""
    unknown = sorted(set(names) - {item.group for item in items})
    if unknown:
        raise InvalidInputError(
            f"The data set has no group {unknown[0]!r}; its groups are in GET /v1/datasets.",
            "leave_out_groups",
        )
    return frozenset(names)


def held_out_groups(items: Sequence[DatasetItem], left_out: frozenset[str]) -> dict[str, list[str]]:
    """Return by split, each ascending, the groups from which nothing is learnt."""
    groups: dict[str, set[str]] = {"val": set(), "test": set()}
    for item in items:
        if item.group not in left_out and item.split in groups:
            groups[item.split].add(item.group)
    if left_out:
        groups[LEFT_OUT] = set(left_out)
    return {split: sorted(names) for split, names in groups.items()}


def _canvases(
    store: ObjectStore,
    items: Sequence[DatasetItem],
    preprocessing: Preprocessing,
    told: Callable[[int, int], None],
) -> NDArray[np.uint8]:
    side = preprocessing.canvas_px
    canvases = np.zeros((len(items), 3, side, side), np.uint8)
    by_pack: dict[str, list[int]] = defaultdict(list)
    for row, item in enumerate(items):
        by_pack[item.pack_key].append(row)
    done = 0
    for key, chosen in by_pack.items():
        told(done, len(items))
        done += len(chosen)
        pack = CropPack.from_npz(store.get(key))
        first = items[chosen[0]]
        canvases[chosen] = canvases_of(
            pack,
            [items[row].pack_index for row in chosen],
            first.channels,
            preprocessing,
            rendered=first.origin != "segmented",
        )
    return canvases


def _split(items: Sequence[DatasetItem], canvases: NDArray[np.uint8], rows: Sequence[int]) -> SplitData:
    labels = np.array([LABELS[items[row].item_class] for row in rows], np.int64)
    return SplitData(
        LabelledCanvases(canvases[list(rows)], labels),
        tuple(items[row].group for row in rows),
        tuple(items[row].chromosome for row in rows),
        tuple(items[row].crop_id for row in rows),
    )
