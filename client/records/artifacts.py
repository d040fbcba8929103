"""Segmenters, classifiers, generators, filters and studies."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.records.base import Record


class ArtifactVersion(Record):
    """An immutable version of a segmenter, classifier, generator, filter or study, with its manifest."""

    kind: str
    name: str
    version: int
    sha256: str | None = None
    manifest: dict[str, Any] = Field(default_factory=dict)
    size_bytes: int | None = None
    created_at: datetime | None = None


class Alias(Record):
    """A movable name of a version."""

    alias: str
    version: int


class Artifact(Record):
    """An artifact's name, its versions and its movable aliases."""

    kind: str
    name: str
    versions: tuple[ArtifactVersion, ...] = ()
    aliases: tuple[Alias, ...] = ()

    def aliases_of(self, version: int) -> list[str]:
        """The names that point at a version now."""
        return [alias.alias for alias in self.aliases if alias.version == version]
