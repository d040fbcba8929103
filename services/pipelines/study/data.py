"""A data set as a study sees it: crops to learn from, crops to choose with, and crops under seal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.classification.classifier import Classifier
from models.classification.preprocessing import Preprocessing
from models.classification.training_set import thinned
from models.generation.sources import Sources
from models.segmentation.crops import CropPack
from models.study.arms import GeneratorName
from models.study.conditions import Condition
from models.study.plan import MAX_SAMPLES
from models.study.subsets import first_aberrations
from services.crops.canvases import canvases_of, masks_of, rows_by_pack
from services.datasets.types import DatasetItem
from services.storage.base import ObjectStore
from services.studies.facts import LEFT_OUT, source_items, split_of

LABELS: Final[Mapping[str, int]] = MappingProxyType({"normal": 0, "aberration": 1})


@dataclass(frozen=True)
class StudyCrops:
    """Every crop of a data set, on canvases.

    Attributes
    ----------
    items
        N, in the data set's order.
    canvases : (N, 3, S, S) uint8
    masks : (N, S, S) bool
    """

    items: tuple[DatasetItem, ...]
    canvases: NDArray[np.uint8]
    masks: NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """Labelled crops of one split that may be looked at.

    Attributes
    ----------
    canvases : (N, 3, S, S) uint8
    masks : (N, S, S) bool
    labels : (N,) int64
    groups, chromosomes, names
        Of the N crops; names are digests of their pixels.
    """

    canvases: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    chromosomes: tuple[str, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Return N."""
        return len(self.labels)

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Return some of the crops."""
        return Rows(
            self.canvases[rows],
            self.masks[rows],
            self.labels[rows],
            tuple(self.groups[row] for row in rows),
            tuple(self.chromosomes[row] for row in rows),
            tuple(self.names[row] for row in rows),
        )


@dataclass(frozen=True)
class Truth:
    """What is known of N scored crops, without their pixels."""

    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    chromosomes: tuple[str, ...]


class SealedSplits:
    """Test and left-out crops: a finished network may score them, and nothing else can be done with them.

    What it scores goes into the sealed part of a run's result. Truth and scores come together in
    `services.pipelines.study.unsealing` alone, when all networks of a study are done.
    """

    def __init__(self, rows: Mapping[str, Rows]) -> None:
        self.__rows = dict(rows)

    def scored_by(
        self, classifier: Classifier, check: Callable[[], None] = lambda: None
    ) -> dict[str, NDArray[np.float32]]:
        """Return logits (N, 2) float32 by split."""
        scored = {}
        for split, rows in self.__rows.items():
            check()
            scored[split] = classifier.score(rows.canvases).logits
        return scored

    def truth(self) -> dict[str, Truth]:
        """Return labels and slides by split; what a truth is compared with decides nothing any more."""
        return {
            split: Truth(rows.labels, rows.groups, rows.chromosomes) for split, rows in self.__rows.items()
        }


class ConditionData:
    """The crops of one condition.

    Parameters
    ----------
    normals
        How many normals training has after thinning.
    """

    def __init__(self, crops: StudyCrops, condition: Condition, *, normals: int, seed: int) -> None:
        self._crops = crops
        self.condition = condition
        self._normals = normals
        self._seed = seed

    @cached_property
    def train(self) -> Rows:
        """What classifiers learn from: normals are thinned, aberrations counted off."""
        rows = self._rows("train")
        chromosomes = list(zip(rows.groups, rows.chromosomes, strict=True))
        kept = first_aberrations(rows.labels, chromosomes, self.condition.max_aberrations, self._seed)
        rows = rows.take(kept)
        aberrations = int(rows.labels.sum())
        return rows.take(thinned(rows.labels, self._normals / aberrations, self._seed))

    @cached_property
    def val(self) -> Rows:
        """What thresholds, temperatures and levels are chosen with."""
        return self._rows("val")

    @cached_property
    def sealed(self) -> SealedSplits:
        """The test split and, where groups are left out, these."""
        names = ("test", LEFT_OUT) if self.condition.left_out_groups else ("test",)
        return SealedSplits({name: rows for name in names if len(rows := self._rows(name))})

    @property
    def aberrations(self) -> Rows:
        """Training aberrations: what generators learn from."""
        return self.train.take(np.flatnonzero(self.train.labels == 1))

    def sources(self, method: GeneratorName, count: int) -> Sources:
        """Return the crops that a generator starts from, at most `count` of them.

        Where there are fewer, each is used several times, up to `MAX_SAMPLES`.
        """
        place = {item.position: row for row, item in enumerate(self._crops.items)}
        chosen = source_items(self._crops.items, self.condition, method, self._seed)
        number = min(count, len(chosen) * MAX_SAMPLES)
        rows = [place[chosen[index % len(chosen)].position] for index in range(number)]
        return Sources(
            self._crops.canvases[rows],
            self._crops.masks[rows],
            [self._crops.items[row].sha256 for row in rows],
            [index // len(chosen) for index in range(number)],
            self._seed,
        )

    def _rows(self, split: str) -> Rows:
        items = self._crops.items
        rows = [
            row
            for row, item in enumerate(items)
            if item.item_class in LABELS and split_of(item, self.condition) == split
        ]
        return Rows(
            self._crops.canvases[rows],
            self._crops.masks[rows],
            np.array([LABELS[items[row].item_class] for row in rows], np.int64),
            tuple(items[row].group for row in rows),
            tuple(items[row].chromosome for row in rows),
            tuple(items[row].sha256 for row in rows),
        )


def load_crops(
    store: ObjectStore,
    items: Sequence[DatasetItem],
    preprocessing: Preprocessing,
    told: Callable[[int, int], None],
) -> StudyCrops:
    """Read every crop of a data set, each pack once.

    Parameters
    ----------
    told
        Called before every pack with how many crops are read, and how many there are.
    """
    side = preprocessing.canvas_px
    canvases = np.zeros((len(items), 3, side, side), np.uint8)
    masks = np.zeros((len(items), side, side), np.bool_)
    done = 0
    for key, rows in rows_by_pack(items).items():
        told(done, len(items))
        pack = CropPack.from_npz(store.get(key))
        indices = [items[row].pack_index for row in rows]
        first = items[rows[0]]
        rendered = first.origin != "segmented"
        canvases[rows] = canvases_of(pack, indices, first.channels, preprocessing, rendered=rendered)
        masks[rows] = masks_of(pack, indices, preprocessing)
        done += len(rows)
    told(done, len(items))
    return StudyCrops(tuple(items), canvases, masks)
