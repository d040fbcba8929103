"""What a filter is fitted on: the embeddings that one classifier version gives a data set version.

Embeddings are kept part by part, so that a worker that dies loses one part. Of the test split and of
left-out groups no pixel and no embedding is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.classification.training_set import thinned
from models.segmentation.crops import CropPackError
from services.crops.canvases import rows_by_pack
from services.datasets.types import DatasetItem, DatasetVersion
from services.errors import InvalidInputError
from services.jobs.context import JobContext
from services.pipelines.embeddings import Embedder
from services.pipelines.errors import ItemError
from services.pipelines.resources import Resources
from services.pipelines.scores import MODEL_FAILURES
from services.pipelines.training_data import LABELS, held_out_groups, require_groups
from services.predictions.arrays import EmbeddingsDamagedError, read_part
from services.predictions.assembly import part_key, put_part
from services.predictions.types import EMBEDDING_DIMENSIONS
from services.storage.base import ObjectNotFoundError

CROPS_PER_PART: Final = 512
UNIT: Final = "steps"


@dataclass(frozen=True)
class SplitRows:
    """Embedded crops of one split.

    Attributes
    ----------
    items
        N items in the data set's order.
    embeddings : (N, 512) float32
    """

    items: tuple[DatasetItem, ...]
    embeddings: NDArray[np.float32]

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) 0 normal, 1 aberration."""
        return np.array([LABELS[item.item_class] for item in self.items], np.int64)

    @property
    def groups(self) -> tuple[str, ...]:
        """The slide or subject of each of the N crops."""
        return tuple(item.group for item in self.items)


@dataclass(frozen=True)
class FilterItems:
    """The crops of a data set that a fit looks at.

    Attributes
    ----------
    train
        What is fitted.
    val
        What the level is chosen and measured with.
    held_out_groups
        By split, those that played no part in the fit.
    normals_left_out
        Normal crops of training that were not drawn.
    """

    train: tuple[DatasetItem, ...]
    val: tuple[DatasetItem, ...]
    held_out_groups: Mapping[str, Sequence[str]]
    normals_left_out: int = 0

    def __len__(self) -> int:
        """Return the number of crops to embed."""
        return len(self.train) + len(self.val)


def choose_items(
    items: Sequence[DatasetItem],
    leave_out_groups: Sequence[str],
    normal_ratio: float | None = None,
    seed: int = 0,
) -> FilterItems:
    """Choose the real, labelled crops of training and validation.

    Parameters
    ----------
    normal_ratio
        Of training, at most so many normals for each aberration; None takes all.
    seed
        Which of them are drawn.

    Raises
    ------
    InvalidInputError
        A left-out group is not in the data set, or the training split has nothing to fit.
    """
    left_out = require_groups(items, leave_out_groups)
    # A data set refuses synthetic crops; should one ever be in it, it is no measure of what is real.
    usable = [
        item
        for item in items
        if item.group not in left_out and item.item_class in LABELS and item.origin != "generated"
    ]
    train, val = (tuple(item for item in usable if item.split == split) for split in ("train", "val"))
    if not train:
        outside = " outside the left-out groups" if left_out else ""
        raise InvalidInputError(
            f"The training split has no labelled crop{outside}: annotate crops, or choose other splits.",
            "dataset",
        )
    labels = np.array([LABELS[item.item_class] for item in train], np.int64)
    drawn = tuple(train[row] for row in thinned(labels, normal_ratio, seed))
    return FilterItems(drawn, val, held_out_groups(items, left_out), len(train) - len(drawn))


def seen_by(
    classifier: Mapping[str, Any], dataset: DatasetVersion, chosen: FilterItems
) -> Mapping[str, Sequence[str]]:
    """Return the groups of a fit that the classifier had learnt from, by split.

    Its embeddings of these are those of crops that it knows: they lie better apart than those of new
    crops. Groups are compared where the classifier's data set has the same name or the same content.

    Parameters
    ----------
    classifier
        The classifier's manifest; one that says nothing of its training has seen nothing.
    """
    source = classifier.get("dataset") or {}
    if dataset.name != source.get("name") and dataset.sha256 != source.get("sha256"):
        return MappingProxyType({"train": [], "val": []})
    known = set((classifier.get("training") or {}).get("groups") or ())
    return MappingProxyType(
        {
            split: sorted(known & {item.group for item in items})
            for split, items in (("train", chosen.train), ("val", chosen.val))
        }
    )


class FitEmbeddings:
    """Embeds the crops of a fit, and keeps what it has computed until the fit is done.

    Parameters
    ----------
    classifier
        An exact ``name/version``.
    num_steps
        Of the whole job, for its progress: each crop is one.
    """

    def __init__(self, context: JobContext, resources: Resources, classifier: str, num_steps: int) -> None:
        self._context = context
        self._resources = resources
        self._embedder = Embedder(resources, classifier)
        self._num_steps = num_steps
        self._kept: list[str] = []

    def embed(self, chosen: FilterItems) -> tuple[SplitRows, SplitRows]:
        """Return the embedded crops of training and of validation.

        Raises
        ------
        ItemError
            A crop's pixels are damaged, or the network gives something that is no embedding.
        KaryobridgeError
            A crop or the classifier is gone.
        """
        items = (*chosen.train, *chosen.val)
        found = np.zeros((len(items), EMBEDDING_DIMENSIONS), np.float32)
        done = 0
        for number, rows in enumerate(_parts_of(items)):
            self._context.check()
            told = f"embedding {done:,} of {len(items):,} crops"
            self._context.progress(done, self._num_steps, UNIT, told)
            found[rows] = self._part(number, [items[row] for row in rows])
            done += len(rows)
        middle = len(chosen.train)
        return SplitRows(chosen.train, found[:middle]), SplitRows(chosen.val, found[middle:])

    def forget(self) -> None:
        """Remove everything that was kept for a resume."""
        for key in self._kept:
            self._resources.store.delete(key)

    def _part(self, number: int, items: Sequence[DatasetItem]) -> NDArray[np.float32]:
        """Embed the crops of a part, unless an earlier attempt did."""
        job_id, store = self._context.job.id, self._resources.store
        key = part_key(job_id, number)
        self._kept.append(key)
        # None yet, or one that is not whole: the crops are still there.
        with suppress(ObjectNotFoundError, EmbeddingsDamagedError):
            rows = read_part(key, store.get(key), len(items))
            return np.frombuffer(rows, "<f4").reshape(len(items), EMBEDDING_DIMENSIONS)
        found, computed = self._embed(items)
        if computed:
            put_part(store, job_id, number, found)
            self._context.saved()
        return found

    def _embed(self, items: Sequence[DatasetItem]) -> tuple[NDArray[np.float32], int]:
        """Embed some crops, each pack once; returns how many had to be computed, too."""
        found = np.zeros((len(items), EMBEDDING_DIMENSIONS), np.float32)
        computed = 0
        for pack_key, rows in rows_by_pack(items).items():
            self._context.check()
            rows.sort(key=lambda row: items[row].crop_id)
            try:
                embedded = self._embedder.embed(pack_key, [items[row].crop_id for row in rows])
            except (CropPackError, *MODEL_FAILURES) as error:
                raise ItemError.of(error) from error
            found[rows] = embedded.embeddings
            computed += embedded.num_computed
        return found, computed


def _parts_of(items: Sequence[DatasetItem]) -> Iterator[list[int]]:
    """Cut rows into parts of some hundred crops; a pack lies in one part, so that it is read once."""
    part: list[int] = []
    for rows in rows_by_pack(items).values():
        part += rows
        if len(part) >= CROPS_PER_PART:
            yield part
            part = []
    if part:
        yield part
