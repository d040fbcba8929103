"""Frozen, numbered data sets and what is in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.records.base import Record


class Dataset(Record):
    """An immutable version of a data set.

    Attributes
    ----------
    counts, chromosomes
        By split and class: crops, and chromosomes (several views of one count once).
    groups
        By split: the slides or subjects in it, as `count` and the first `names`.
    left_out
        Selected crops that were not frozen, by reason.
    """

    name: str
    version: int
    sha256: str
    source: str
    items: int = 0
    counts: dict[str, dict[str, int]] = Field(default_factory=dict)
    chromosomes: dict[str, dict[str, int]] = Field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = Field(default_factory=dict)
    leakage: dict[str, Any] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    left_out: dict[str, int] = Field(default_factory=dict)
    licence: str | None = None
    description: str = ""
    created_at: datetime | None = None

    @property
    def ref(self) -> str:
        """What jobs call it."""
        return f"{self.name}/{self.version}"


class DatasetItem(Record):
    """One crop of a data set."""

    crop_id: str
    item_class: str = Field(alias="class")
    split: str
    group: str
    chromosome: str | None = None
    sha256: str | None = None
