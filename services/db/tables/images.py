"""Uploads, images and the masks that people drew."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.db.tables.base import Base, JsonObject, created_at_column


class BatchRow(Base):
    """One upload: what arrived, and what became of each file."""

    __tablename__ = "batches"
    __table_args__ = (Index("ix_batches_sample", "sample", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    sample: Mapped[str]
    slide: Mapped[str | None]
    pixel_size_um: Mapped[float | None]
    channel_rule: Mapped[JsonObject | None] = mapped_column(JSONB(none_as_null=True))
    extra: Mapped[JsonObject] = mapped_column(server_default=text("'{}'"))
    items: Mapped[list[Any]]
    job_id: Mapped[str | None]
    created_at: Mapped[datetime] = created_at_column()


class ImageRow(Base):
    """A metaphase: its original files, and how their planes become channels.

    `identity_sha256` covers the files and the layout; the same under one sample is a duplicate.
    """

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("sample", "identity_sha256"),
        Index("ix_images_sample", "sample", "id"),
        Index("ix_images_batch_id", "batch_id", "id"),
        CheckConstraint("height > 0 AND width > 0", name="size_positive"),
        CheckConstraint("bit_depth IN (8, 16)", name="bit_depth_known"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batches.id"))
    sample: Mapped[str]
    slide: Mapped[str | None]
    filename: Mapped[str]
    sha256: Mapped[str]
    identity_sha256: Mapped[str]
    height: Mapped[int]
    width: Mapped[int]
    channels: Mapped[list[str]]
    bit_depth: Mapped[int]
    pixel_size_um: Mapped[float | None]
    sources: Mapped[list[Any]]
    layout: Mapped[JsonObject]
    withdrawn_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at_column()


class ImageMasksRow(Base):
    """Instance masks that a person drew or corrected; the newest of an image counts."""

    __tablename__ = "image_masks"
    __table_args__ = (Index("ix_image_masks_image_id", "image_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    image_id: Mapped[str] = mapped_column(ForeignKey("images.id"))
    annotator: Mapped[str]
    object_key: Mapped[str]
    sha256: Mapped[str]
    num_instances: Mapped[int]
    created_at: Mapped[datetime] = created_at_column()
