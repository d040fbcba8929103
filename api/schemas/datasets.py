"""Data sets: what a client asks to freeze, and what a version says of itself."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from api.schemas.common import Body, Line, View
from api.schemas.uploads import OneUploadId
from services.datasets.patterns import MAX_PATTERN_CHARACTERS
from services.datasets.types import (
    Description,
    FreezeRequest,
    GroupBy,
    ImportRequest,
    ItemClass,
    NamedSplits,
    Selection,
    Split,
    SplitFractions,
)
from services.jobs.params import ARTIFACT_NAME

MAX_SOURCES = 1000
MAX_CROP_IDS = 50_000
MAX_GROUPS = 10_000

DatasetName = Annotated[str, StringConstraints(pattern=ARTIFACT_NAME)]
Text = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")]
Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Ids = Annotated[tuple[Id, ...], Field(min_length=1, max_length=MAX_SOURCES)]
Groups = Annotated[tuple[Line, ...], Field(max_length=MAX_GROUPS)]

_SHARE: dict[str, Any] = {"ge": 0, "lt": 1}
_DEFAULTS = SplitFractions()
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def _counts(train: int, val: int, test: int) -> dict[str, dict[str, int]]:
    return {
        split: {"normal": number, "aberration": number // 10, "unlabelled": 0}
        for split, number in (("train", train), ("val", val), ("test", test))
    }


_VERSION: dict[str, Any] = {
    "name": "translocations",
    "version": 1,
    "sha256": _SHA256,
    "source": "annotations",
    "items": 330,
    "counts": _counts(200, 50, 50),
    "chromosomes": _counts(100, 40, 40),
    "groups": {
        "train": {"count": 2, "names": ["A06", "A20"]},
        "val": {"count": 1, "names": ["A04"]},
        "test": {"count": 1, "names": ["A02"]},
    },
    "leakage": {"checked": True, "overlaps": 0, "items_without_group": 0},
    "warnings": [],
    "left_out": {"without_verdict": 41},
    "how": {
        "selection": {"samples": ["S26-001234", "S26-001240"]},
        "group_by": "slide",
        "splits": {"val_fraction": 0.2, "test_fraction": 0.2, "seed": 0},
        "include_unlabelled": False,
    },
    "licence": "CC-BY-4.0",
    "description": "Verdicts of M. Koch on slides of spring 2026.",
    "created_at": "2026-11-02T09:30:00Z",
}


class DatasetForm(Body):
    """The text fields of an import."""

    name: DatasetName = Field(description="The data set that gets a new version.")
    licence: Line | None = Field(None, description="SPDX expression or a short text.")
    description: Text = Field("", description="Where the pictures and their labels come from.")
    group_pattern: (
        Annotated[Line, StringConstraints(max_length=MAX_PATTERN_CHARACTERS, strip_whitespace=False)] | None
    ) = Field(None, description="Finds the slide in a file's name: {group}_* takes A02 from A02_0153.png.")
    val_fraction: float | None = Field(None, **_SHARE, description="For an archive without splits: 0.2.")
    test_fraction: float | None = Field(None, **_SHARE, description="For an archive without splits: 0.2.")
    seed: int | None = Field(None, ge=0, lt=2**31, description="For an archive without splits: 0.")
    uploads: OneUploadId = ()

    def wanted(self) -> ImportRequest:
        """Return what the service understands."""
        about = Description(self.name, self.licence, self.description)
        told = self.model_dump(include={"val_fraction", "test_fraction", "seed"}, exclude_none=True)
        return ImportRequest(about, self.group_pattern, SplitFractions(**told) if told else None)


class SplitsByName(Body):
    """Which groups lie in which split."""

    train: Groups = ()
    val: Groups = ()
    test: Groups = ()


class SplitsByShare(Body):
    """Shares of the crops to hold out, by whole groups and evenly for every class."""

    val_fraction: float = Field(_DEFAULTS.val_fraction, **_SHARE)
    test_fraction: float = Field(_DEFAULTS.test_fraction, **_SHARE)
    seed: int = Field(_DEFAULTS.seed, ge=0, lt=2**31, strict=True)


class DatasetRequest(Body):
    """Annotated crops to freeze: all of some samples, batches or jobs, or single ones."""

    name: DatasetName = Field(description="The data set that gets a new version.")
    samples: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MAX_SOURCES)] | None = Field(
        None, description="Of every image, what its newest segmentation found."
    )
    batch_ids: Ids | None = Field(None, description="Of every image, what its newest segmentation found.")
    job_ids: Ids | None = Field(None, description="All crops that these jobs made.")
    crop_ids: Annotated[tuple[Id, ...], Field(min_length=1, max_length=MAX_CROP_IDS)] | None = None
    group_by: GroupBy = Field("slide", description="What is never in two splits; no slide: the sample.")
    splits: SplitsByShare | SplitsByName = SplitsByShare()
    include_unlabelled: bool = Field(
        False, strict=True, description="Crops without a verdict become sources of class unlabelled."
    )
    licence: Line | None = Field(None, description="SPDX expression or a short text.")
    description: Text = Field("", description="Who labelled what, and how.")

    @model_validator(mode="after")
    def _one_selection(self) -> Self:
        given = [name for name in ("samples", "batch_ids", "job_ids", "crop_ids") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError("Give exactly one of samples, batch_ids, job_ids and crop_ids.")
        if len(set(getattr(self, given[0]))) < len(getattr(self, given[0])):
            raise ValueError(f"{given[0]} names something twice.")
        return self

    def wanted(self) -> FreezeRequest:
        """Return what the service understands."""
        told = self.splits.model_dump()
        return FreezeRequest(
            about=Description(self.name, self.licence, self.description),
            selection=Selection(self.samples, self.batch_ids, self.job_ids, self.crop_ids),
            splits=NamedSplits(**told) if isinstance(self.splits, SplitsByName) else SplitFractions(**told),
            group_by=self.group_by,
            include_unlabelled=self.include_unlabelled,
        )


class GroupsView(View):
    """The groups of a split."""

    count: int
    names: list[str] = Field(description="The first 200, sorted.")


class LeakageView(View):
    """What was made sure of before the version was frozen."""

    checked: bool = Field(description="Pixels, groups and chromosomes were compared across the splits.")
    overlaps: int = Field(description="Always 0: what overlaps is refused.")
    items_without_group: int = Field(description="Nobody said their slide, so it could not be compared.")


class DatasetView(View):
    """An immutable version."""

    model_config = ConfigDict(json_schema_extra={"example": _VERSION})

    name: str
    version: int
    sha256: str = Field(description="Over every item's pixels, class, split, group and chromosome.")
    source: Literal["import", "annotations", "simulation"]
    items: int
    counts: dict[str, dict[str, int]] = Field(description="Crops per split and class.")
    chromosomes: dict[str, dict[str, int]] = Field(
        description="Chromosomes per split and class: several views of one count once."
    )
    groups: dict[str, GroupsView] = Field(description="Slides or subjects per split.")
    leakage: LeakageView
    warnings: list[str] = Field(description="What was let through and is worth a look.")
    left_out: dict[str, int] = Field(
        default={}, description="Selected crops that were not frozen, by reason: excluded, without_verdict, …"
    )
    how: dict[str, Any] = Field(description="How its crops were selected, grouped and split.")
    licence: str | None
    description: str
    created_at: datetime


class DatasetVersionsView(View):
    """A name with its versions."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "translocations", "versions": [_VERSION]}}
    )

    name: str
    versions: list[DatasetView] = Field(description="Oldest first.")


class DatasetItemView(View):
    """One crop of a version."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "crop_id": "crop_01k9zt3v5e8w2hq4x7c1n6m0bc",
                "class": "aberration",
                "split": "train",
                "group": "A06",
                "chromosome": _SHA256,
                "sha256": _SHA256,
            }
        }
    )

    crop_id: str
    item_class: ItemClass = Field(serialization_alias="class")
    split: Split
    group: str
    chromosome: str = Field(description="The same for all views of one chromosome.")
    sha256: str = Field(description="Of its pixels and mask.")
