"""The tables. Rows are suffixed ``Row``; repositories map them to frozen dataclasses.

Heavy things live in the object store; here is only what is queried, and the keys.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    MetaData,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

JsonObject = dict[str, Any]

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Common types: text without length, time with zone, JSONB."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: DateTime(timezone=True),
        JsonObject: JSONB,
        list[Any]: JSONB,
        list[str]: ARRAY(Text),
    }


def _created_at() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


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
    created_at: Mapped[datetime] = _created_at()


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
    created_at: Mapped[datetime] = _created_at()


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
    created_at: Mapped[datetime] = _created_at()


class JobRow(Base):
    """The truth about a job. A message to a worker carries only its id."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_status_queue", "status", "queue", "priority", "id"),
        Index("ix_jobs_kind", "kind", "id"),
        Index("ix_jobs_sample", "sample", "id"),
        Index("ix_jobs_external_id", "external_id", "id"),
        CheckConstraint(
            "status IN ('queued','running','succeeded','partial','failed','cancelling','cancelled')",
            name="status_known",
        ),
        CheckConstraint(
            "(status IN ('running','cancelling')) = (lease_token IS NOT NULL)", name="lease_while_running"
        ),
        CheckConstraint(
            "(status IN ('succeeded','partial','failed','cancelled')) = (finished_at IS NOT NULL)",
            name="finished_when_terminal",
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="queued")
    params: Mapped[JsonObject]
    inputs: Mapped[JsonObject]
    artifacts: Mapped[JsonObject]
    sample: Mapped[str | None]
    external_id: Mapped[str | None]
    request_id: Mapped[str | None]
    queue: Mapped[str]
    priority: Mapped[int] = mapped_column(server_default="0")
    attempt: Mapped[int] = mapped_column(server_default="0")
    max_attempts: Mapped[int]
    not_before: Mapped[datetime | None]
    dispatched_at: Mapped[datetime | None]
    lease_token: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    worker: Mapped[str | None]
    progress_done: Mapped[int] = mapped_column(server_default="0")
    progress_total: Mapped[int] = mapped_column(server_default="0")
    progress_unit: Mapped[str] = mapped_column(server_default="items")
    progress_message: Mapped[str] = mapped_column(server_default="")
    error: Mapped[JsonObject | None] = mapped_column(JSONB(none_as_null=True))
    result: Mapped[JsonObject] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[datetime] = _created_at()
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class JobItemRow(Base):
    """One input of a job and what became of it."""

    __tablename__ = "job_items"
    __table_args__ = (
        CheckConstraint("status IN ('pending','succeeded','failed')", name="status_known"),
        Index("ix_job_items_status", "job_id", "status"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    input_id: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="pending")
    error: Mapped[JsonObject | None] = mapped_column(JSONB(none_as_null=True))
    outputs: Mapped[JsonObject] = mapped_column(server_default=text("'{}'"))
    started: Mapped[int] = mapped_column(server_default="0")
    finished_at: Mapped[datetime | None]


class SegmentationRow(Base):
    """What one segmentation job found in one image."""

    __tablename__ = "segmentations"
    __table_args__ = (Index("ix_segmentations_image_id", "image_id", "created_at"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    image_id: Mapped[str] = mapped_column(ForeignKey("images.id"), primary_key=True)
    segmenter: Mapped[str]
    masks_key: Mapped[str]
    crops_key: Mapped[str]
    num_chromosomes: Mapped[int]
    num_touching: Mapped[int]
    removed: Mapped[JsonObject]
    shifts_px: Mapped[JsonObject]
    levels: Mapped[JsonObject]
    seconds: Mapped[float]
    created_at: Mapped[datetime] = _created_at()


class CropRow(Base):
    """One chromosome. Its pixels are row `pack_index` of the array object `pack_key`.

    A synthetic crop has neither image nor sample, and the database keeps it so: nothing that
    reports on a patient can ever count one.
    """

    __tablename__ = "crops"
    __table_args__ = (
        UniqueConstraint("job_id", "image_id", "label"),
        Index("ix_crops_image_id", "image_id", "id"),
        Index("ix_crops_job_id", "job_id", "id"),
        Index("ix_crops_sample", "sample", "id"),
        Index("ix_crops_origin", "origin", "id"),
        CheckConstraint("origin IN ('segmented','imported','generated')", name="origin_known"),
        CheckConstraint(
            "origin <> 'generated' OR (sample IS NULL AND image_id IS NULL AND source_crop_id IS NOT NULL)",
            name="synthetic_has_no_patient",
        ),
        CheckConstraint(
            "origin <> 'segmented' OR (sample IS NOT NULL AND image_id IS NOT NULL AND job_id IS NOT NULL)",
            name="segmented_has_origin",
        ),
        CheckConstraint("\"class\" IN ('normal','aberration','excluded')", name="class_known"),
        ForeignKeyConstraint(["source_crop_id"], ["crops.id"], name="fk_crops_source_crop_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    origin: Mapped[str]
    image_id: Mapped[str | None] = mapped_column(ForeignKey("images.id"))
    sample: Mapped[str | None]
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"))
    source_crop_id: Mapped[str | None]
    pack_key: Mapped[str]
    pack_index: Mapped[int]
    label: Mapped[int | None]
    bbox: Mapped[list[Any]]
    area_px: Mapped[int]
    orientation_deg: Mapped[float | None]
    length_px: Mapped[float | None]
    width_px: Mapped[float | None]
    flags: Mapped[list[str]]
    crop_class: Mapped[str | None] = mapped_column("class")
    created_at: Mapped[datetime] = _created_at()


class CropAnnotationRow(Base):
    """A person's verdict on a crop. History is kept; the newest is mirrored in `crops.class`."""

    __tablename__ = "crop_annotations"
    __table_args__ = (Index("ix_crop_annotations_crop_id", "crop_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    crop_id: Mapped[str] = mapped_column(ForeignKey("crops.id"))
    annotation_class: Mapped[str] = mapped_column("class")
    annotator: Mapped[str]
    created_at: Mapped[datetime] = _created_at()


class ArtifactVersionRow(Base):
    """An immutable version of a segmenter, classifier, generator or filter."""

    __tablename__ = "artifact_versions"
    __table_args__ = (
        Index("ix_artifact_versions_kind_sha256", "kind", "name", "sha256"),
        CheckConstraint("kind IN ('segmenter','classifier','generator','filter')", name="kind_known"),
        CheckConstraint("version > 0", name="version_positive"),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    manifest: Mapped[JsonObject]
    files: Mapped[JsonObject]
    sha256: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    job_id: Mapped[str | None]
    created_at: Mapped[datetime] = _created_at()


class ArtifactAliasRow(Base):
    """A movable name for one version, for example ``production``."""

    __tablename__ = "artifact_aliases"
    __table_args__ = (
        ForeignKeyConstraint(
            ["kind", "name", "version"],
            ["artifact_versions.kind", "artifact_versions.name", "artifact_versions.version"],
        ),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ApiKeyRow(Base):
    """An API key: only its SHA-256 is stored (the key itself has 256 random bits)."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("key_sha256"), UniqueConstraint("name"))

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    key_sha256: Mapped[str]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime] = _created_at()
    revoked_at: Mapped[datetime | None]


class IdempotencyKeyRow(Base):
    """The first answer to a POST that carried an Idempotency-Key."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    status: Mapped[int | None]
    headers: Mapped[JsonObject | None] = mapped_column(JSONB(none_as_null=True))
    body: Mapped[JsonObject | None] = mapped_column(JSONB(none_as_null=True))
    locked_until: Mapped[datetime]
    created_at: Mapped[datetime] = _created_at()


class AuditRow(Base):
    """Who did what, when."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_subject", "subject", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    details: Mapped[JsonObject] = mapped_column(server_default=text("'{}'"))
