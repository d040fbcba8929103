"""Segmentations, crops, and what people and classifiers said of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from services.db.tables.base import Base, JsonObject, created_at_column


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
    created_at: Mapped[datetime] = created_at_column()


class CropRow(Base):
    """One chromosome. Its pixels are row `pack_index` of the array object `pack_key`.

    A synthetic crop has neither image nor sample, but the crop that it was made from and the job that
    made it, and the database keeps it so: nothing that reports on a patient can ever count one. How it
    was made is in its `SyntheticCropRow`. A simulated crop, of a simulated data set, has a job alone.

    `predicted_class`, `probability` (of aberration) and `predicted_by` mirror the newest prediction, as
    `class` mirrors the newest annotation: lists filter and sort by them.
    """

    __tablename__ = "crops"
    __table_args__ = (
        UniqueConstraint("job_id", "image_id", "label"),
        Index("ix_crops_image_id", "image_id", "id"),
        Index("ix_crops_job_id", "job_id", "id"),
        Index("ix_crops_sample", "sample", "id"),
        Index("ix_crops_origin", "origin", "id"),
        Index("ix_crops_source_crop_id", "source_crop_id", "id"),
        # Reviewers look at the most suspicious ones first, of everything, a sample or a job.
        Index("ix_crops_probability", "probability", "id"),
        Index("ix_crops_sample_probability", "sample", "probability", "id"),
        Index("ix_crops_job_id_probability", "job_id", "probability", "id"),
        CheckConstraint("origin IN ('segmented','imported','generated','simulated')", name="origin_known"),
        CheckConstraint(
            "origin <> 'generated' OR (sample IS NULL AND image_id IS NULL "
            "AND source_crop_id IS NOT NULL AND job_id IS NOT NULL)",
            name="synthetic_has_no_patient",
        ),
        CheckConstraint(
            "origin <> 'simulated' OR (sample IS NULL AND image_id IS NULL AND job_id IS NOT NULL)",
            name="simulated_has_no_patient",
        ),
        CheckConstraint(
            "origin <> 'segmented' OR (sample IS NOT NULL AND image_id IS NOT NULL AND job_id IS NOT NULL)",
            name="segmented_has_origin",
        ),
        CheckConstraint("\"class\" IN ('normal','aberration','excluded')", name="class_known"),
        CheckConstraint("predicted_class IN ('normal','aberration')", name="predicted_class_known"),
        CheckConstraint("probability BETWEEN 0 AND 1", name="probability_in_range"),
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
    predicted_class: Mapped[str | None]
    probability: Mapped[float | None]
    predicted_by: Mapped[str | None]
    created_at: Mapped[datetime] = created_at_column()


class SyntheticCropRow(Base):
    """How a generated crop was made: with these values the same bytes can be made again.

    `generator` is an exact ``name/version``; `sample_number` counts the samples of one source within
    the job. `canvas_scale` is how many pixels of the generated picture one pixel of the source's image
    became.
    """

    __tablename__ = "synthetic_crops"
    __table_args__ = (
        Index("ix_synthetic_crops_generator", "generator", "crop_id"),
        CheckConstraint("sample_number >= 0", name="sample_number_counts"),
        CheckConstraint("canvas_scale > 0", name="canvas_scale_positive"),
    )

    crop_id: Mapped[str] = mapped_column(ForeignKey("crops.id"), primary_key=True)
    generator: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    sample_number: Mapped[int]
    canvas_scale: Mapped[float]


class CropAnnotationRow(Base):
    """A person's verdict on a crop. History is kept; the newest is mirrored in `crops.class`."""

    __tablename__ = "crop_annotations"
    __table_args__ = (Index("ix_crop_annotations_crop_id", "crop_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    crop_id: Mapped[str] = mapped_column(ForeignKey("crops.id"))
    annotation_class: Mapped[str] = mapped_column("class")
    annotator: Mapped[str]
    created_at: Mapped[datetime] = created_at_column()


class PredictionRow(Base):
    """What one job's classifier said of a crop. Kept for ever: a newer version adds its own rows.

    `embedding_row` is the crop's row in the job's array object (`embedding_sets`), null until the job
    has assembled it; `item_position` is the job's item that the crop belongs to.
    """

    __tablename__ = "predictions"
    __table_args__ = (
        Index("ix_predictions_job_id", "job_id", "item_position", "crop_id"),
        Index("ix_predictions_classifier", "classifier", "probability", "crop_id"),
        CheckConstraint("\"class\" IN ('normal','aberration')", name="class_known"),
        CheckConstraint("probability BETWEEN 0 AND 1", name="probability_in_range"),
    )

    crop_id: Mapped[str] = mapped_column(ForeignKey("crops.id"), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    classifier: Mapped[str]
    predicted_class: Mapped[str] = mapped_column("class")
    probability: Mapped[float]
    item_position: Mapped[int]
    embedding_row: Mapped[int | None]
    created_at: Mapped[datetime] = created_at_column()


class EmbeddingSetRow(Base):
    """All embeddings of one job: a (rows, 512) float32 array object in the order of `embedding_row`."""

    __tablename__ = "embedding_sets"
    __table_args__ = (Index("ix_embedding_sets_classifier", "classifier", "job_id"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    classifier: Mapped[str]
    object_key: Mapped[str]
    sha256: Mapped[str]
    num_rows: Mapped[int]
    dimensions: Mapped[int]
    created_at: Mapped[datetime] = created_at_column()
