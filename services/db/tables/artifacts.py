"""Artifact versions and their aliases."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from services.db.tables.base import Base, JsonObject, created_at_column


class ArtifactVersionRow(Base):
    """An immutable version of a segmenter, classifier, generator, filter or study."""

    __tablename__ = "artifact_versions"
    __table_args__ = (
        Index("ix_artifact_versions_kind_sha256", "kind", "name", "sha256"),
        CheckConstraint("kind IN ('segmenter','classifier','generator','filter','study')", name="kind_known"),
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
    created_at: Mapped[datetime] = created_at_column()


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
