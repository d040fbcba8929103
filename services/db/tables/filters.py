"""What filters said of crops."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from services.db.tables.base import Base, created_at_column


class FilterScoreRow(Base):
    """Where one job's filter, an exact ``name/version``, sees a crop, and whether it keeps it.

    All that a verdict needs is in the row: moving the level sets `kept` anew and computes nothing.
    `component` and `mahalanobis2` are null where the filter's rule has none; `item_position` is the
    job's item that the crop belongs to.
    """

    __tablename__ = "filter_scores"
    __table_args__ = (
        Index("ix_filter_scores_job_id", "job_id", "item_position", "crop_id"),
        Index("ix_filter_scores_filter", "filter", "needed_level", "crop_id"),
        CheckConstraint("needed_level BETWEEN 0 AND 1", name="needed_level_in_range"),
        CheckConstraint("knn_percentile BETWEEN 0 AND 100", name="knn_percentile_in_range"),
        CheckConstraint("component >= 0", name="component_counts"),
    )

    crop_id: Mapped[str] = mapped_column(ForeignKey("crops.id"), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    filter: Mapped[str]
    x: Mapped[float]
    y: Mapped[float]
    component: Mapped[int | None]
    mahalanobis2: Mapped[float | None]
    needed_level: Mapped[float]
    knn_distance: Mapped[float]
    knn_percentile: Mapped[float]
    kept: Mapped[bool]
    item_position: Mapped[int]
    created_at: Mapped[datetime] = created_at_column()
