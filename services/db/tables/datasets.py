"""Frozen data sets."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from services.db.tables.base import Base, JsonObject, created_at_column


class DatasetVersionRow(Base):
    """A frozen, numbered selection of crops with classes and splits; never edited.

    `sha256` covers every item's pixels, class, split and group, whatever the crops' ids are.
    """

    __tablename__ = "dataset_versions"
    __table_args__ = (
        Index("ix_dataset_versions_sha256", "name", "sha256"),
        CheckConstraint("version > 0", name="version_positive"),
        CheckConstraint("source IN ('import','annotations','simulation')", name="source_known"),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    source: Mapped[str]
    manifest: Mapped[JsonObject]
    counts: Mapped[JsonObject]
    created_at: Mapped[datetime] = created_at_column()


class DatasetItemRow(Base):
    """One crop of a data set version.

    `group` is the slide or subject: never in two splits. `chromosome` is the same for crops that show
    one chromosome (in several colour views), so that results can be told per chromosome too.
    """

    __tablename__ = "dataset_items"
    __table_args__ = (
        ForeignKeyConstraint(
            ["dataset_name", "dataset_version"],
            ["dataset_versions.name", "dataset_versions.version"],
            name="fk_dataset_items_dataset_versions",
        ),
        Index("ix_dataset_items_crop_id", "crop_id"),
        CheckConstraint("\"class\" IN ('normal','aberration','unlabelled')", name="class_known"),
        CheckConstraint("split IN ('train','val','test')", name="split_known"),
    )

    dataset_name: Mapped[str] = mapped_column(primary_key=True)
    dataset_version: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    crop_id: Mapped[str] = mapped_column(ForeignKey("crops.id"))
    item_class: Mapped[str] = mapped_column("class")
    split: Mapped[str]
    group: Mapped[str]
    chromosome: Mapped[str]
    sha256: Mapped[str]
