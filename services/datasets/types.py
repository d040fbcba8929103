"""What is known of data sets, and what can be asked of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from services.artifacts.types import check_name
from services.errors import NotFoundError

ItemClass = Literal["normal", "aberration", "unlabelled"]
Split = Literal["train", "val", "test"]
GroupBy = Literal["slide", "sample"]
ITEM_CLASSES: tuple[str, ...] = get_args(ItemClass)
SPLITS: tuple[str, ...] = get_args(Split)
IMPORTED_CHANNELS = ("red", "green", "dapi")

MAX_ITEMS = 100_000
MAX_KEY_CHARACTERS = 200  # of a group or chromosome

_VERSION = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class DatasetVersion:
    """An immutable version.

    Attributes
    ----------
    sha256
        Over every item's pixels, class, split, group and chromosome, whatever the crops' ids are.
    source
        ``import``, ``annotations`` or ``simulation``.
    manifest
        Licence, description, groups, chromosomes, warnings, and how it was made.
    counts
        Items per split and class.
    """

    name: str
    version: int
    sha256: str
    source: str
    manifest: Mapping[str, Any]
    counts: Mapping[str, Mapping[str, int]]
    created_at: datetime

    @property
    def ref(self) -> str:
        """``name/version``, as jobs record it."""
        return f"{self.name}/{self.version}"

    @property
    def simulated(self) -> bool:
        """Whether its crops were drawn by the simulator: nothing that learns from them is for samples."""
        return bool(self.manifest.get("simulated"))


@dataclass(frozen=True)
class DatasetItem:
    """One crop of a version, with all that is needed to find its pixels.

    Attributes
    ----------
    chromosome
        Equal for crops that show one chromosome in several colour views.
    sha256
        Of the crop's own pixels and mask.
    channels
        Planes of the pack, in order.
    bbox
        y0, x0, y1, x1 in the coordinates of the pack's windows, half-open.
    """

    position: int
    crop_id: str
    item_class: str
    split: str
    group: str
    chromosome: str
    sha256: str
    pack_key: str
    pack_index: int
    origin: str
    channels: tuple[str, ...]
    bbox: tuple[int, int, int, int]


@dataclass(frozen=True)
class NewItem:
    """A crop that is about to be frozen.

    Attributes
    ----------
    name
        What messages call it: its file in the archive, or its id.
    split
        Empty until it has been assigned.
    crop_id
        Of a crop that exists, or None for one whose row is in `crop`.
    crop
        Where an imported crop's pixels lie.
    """

    name: str
    item_class: str
    split: str
    group: str
    chromosome: str
    sha256: str
    crop_id: str | None = None
    crop: PackedCrop | None = None


@dataclass(frozen=True)
class PackedCrop:
    """An imported crop whose pixels are in the store.

    Attributes
    ----------
    height, width
        Of the picture, in pixels; it lies at the upper left of its canvas.
    dapi_key
        The same for pictures with the same DAPI plane: views of one chromosome.
    grey
        Whether the picture had no colours, so that it is DAPI alone.
    """

    name: str
    pack_key: str
    pack_index: int
    height: int
    width: int
    area_px: int
    sha256: str
    dapi_key: str
    grey: bool


@dataclass(frozen=True)
class SplitFractions:
    """Shares of the crops to hold out; whole groups are moved, so they are met as nearly as possible."""

    val_fraction: float = 0.2
    test_fraction: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class NamedSplits:
    """Which groups lie in which split."""

    train: tuple[str, ...] = ()
    val: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


@dataclass(frozen=True)
class Description:
    """What the maker says of a data set."""

    name: str
    licence: str | None = None
    text: str = ""


@dataclass(frozen=True)
class ImportRequest:
    """How to read an archive.

    Attributes
    ----------
    group_pattern
        Says which part of a file's name is its group, for example ``{group}_*``.
    fractions
        For an archive that does not say the splits; None means the defaults.
    """

    about: Description
    group_pattern: str | None = None
    fractions: SplitFractions | None = None


@dataclass(frozen=True)
class Selection:
    """Crops by samples, batches, jobs or ids: exactly one of them."""

    samples: Sequence[str] | None = None
    batch_ids: Sequence[str] | None = None
    job_ids: Sequence[str] | None = None
    crop_ids: Sequence[str] | None = None


@dataclass(frozen=True)
class FreezeRequest:
    """Which annotated crops to freeze, and how to split them."""

    about: Description
    selection: Selection
    splits: SplitFractions | NamedSplits
    group_by: GroupBy = "slide"
    include_unlabelled: bool = False


def split_ref(ref: str) -> tuple[str, int]:
    """Split ``name/version``; raises `NotFoundError` for what can be no data set's."""
    name, _, version = ref.partition("/")
    if not _VERSION.fullmatch(version):
        raise NotFoundError("dataset", ref)
    return check_name(name, "dataset"), int(version)
