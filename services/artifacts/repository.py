"""The only place that builds queries about artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import exists, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.artifacts.types import PRODUCTION, ArtifactAlias, ArtifactVersion, StoredFile
from services.db.tables import ArtifactAliasRow, ArtifactVersionRow
from services.errors import InvalidInputError
from services.pagination import Page, PageRequest, make_page

MAX_VERSION = 2**31 - 1


class ArtifactRepository:
    """Versions and aliases, through one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def list_page(self, kind: str | None, page: PageRequest) -> Page[ArtifactVersion]:
        """Every version, by kind, name and number."""
        row = ArtifactVersionRow
        query = select(row).order_by(row.kind, row.name, row.version).limit(page.limit + 1)
        if kind is not None:
            query = query.where(row.kind == kind)
        if page.after is not None:
            query = query.where(tuple_(row.kind, row.name, row.version) > _position(page.after))
        versions = [_version(found) for found in self._session.scalars(query)]
        return make_page(versions, page.limit, lambda v: f"{v.kind}/{v.name}/{v.version}")

    def versions(self, kind: str, name: str) -> list[ArtifactVersion]:
        """All versions of one name, oldest first."""
        row = ArtifactVersionRow
        query = select(row).where(row.kind == kind, row.name == name).order_by(row.version)
        return [_version(found) for found in self._session.scalars(query)]

    def aliases(self, kind: str, name: str) -> list[ArtifactAlias]:
        """All aliases of one name."""
        row = ArtifactAliasRow
        query = select(row).where(row.kind == kind, row.name == name).order_by(row.alias)
        return [ArtifactAlias(a.alias, a.version, a.updated_at) for a in self._session.scalars(query)]

    def get(self, kind: str, name: str, version: int) -> ArtifactVersion | None:
        """One version, or None."""
        if not 0 < version <= MAX_VERSION:
            return None
        found = self._session.get(ArtifactVersionRow, (kind, name, version))
        return None if found is None else _version(found)

    def aliased(self, kind: str, name: str, alias: str) -> int | None:
        """The version that an alias points to, or None."""
        found = self._session.get(ArtifactAliasRow, (kind, name, alias))
        return None if found is None else found.version

    def with_content(self, kind: str, name: str, sha256: str) -> ArtifactVersion | None:
        """The first version of a name with this very content, or None."""
        row = ArtifactVersionRow
        query = (
            select(row).where(row.kind == kind, row.name == name, row.sha256 == sha256).order_by(row.version)
        )
        found = self._session.scalars(query.limit(1)).first()
        return None if found is None else _version(found)

    def with_weights(self, kind: str, sha256: str) -> list[ArtifactVersion]:
        """All versions of a kind with these very weights, by name and number."""
        row = ArtifactVersionRow
        query = (
            select(row)
            .where(row.kind == kind, row.manifest["weights_sha256"].astext == sha256)
            .order_by(row.name, row.version)
        )
        return [_version(found) for found in self._session.scalars(query)]

    def filters_of(self, weights_sha256: str) -> list[ArtifactVersion]:
        """All filters of a classifier's weights: those called ``production`` first, then newest first."""
        row, alias = ArtifactVersionRow, ArtifactAliasRow
        in_use = exists().where(
            alias.kind == row.kind,
            alias.name == row.name,
            alias.version == row.version,
            alias.alias == PRODUCTION,
        )
        query = (
            select(row)
            .where(
                row.kind == "filter", row.manifest["classifier"]["weights_sha256"].astext == weights_sha256
            )
            .order_by(in_use.desc(), row.created_at.desc(), row.name, row.version.desc())
        )
        return [_version(found) for found in self._session.scalars(query)]

    def made_by(self, job_id: str) -> ArtifactVersion | None:
        """The version that a job made, or None; a job makes at most one."""
        found = self._session.scalars(
            select(ArtifactVersionRow).where(ArtifactVersionRow.job_id == job_id)
        ).first()
        return None if found is None else _version(found)

    def add(
        self,
        kind: str,
        name: str,
        *,
        manifest: Mapping[str, Any],
        files: Mapping[str, StoredFile],
        sha256: str,
        job_id: str | None,
    ) -> ArtifactVersion:
        """Insert the next version; writers of one name wait for each other until commit."""
        self.lock_name(kind, name)
        row = ArtifactVersionRow
        newest = self._session.scalar(select(func.max(row.version)).where(row.kind == kind, row.name == name))
        added = row(
            kind=kind,
            name=name,
            version=(newest or 0) + 1,
            manifest=dict(manifest),
            files={filename: asdict(file) for filename, file in files.items()},
            sha256=sha256,
            size_bytes=sum(file.size_bytes for file in files.values()),
            job_id=job_id,
        )
        self._session.add(added)
        self._session.flush()
        self._session.refresh(added)
        return _version(added)

    def set_alias(self, kind: str, name: str, alias: str, version: int) -> None:
        """Point an alias at an existing version."""
        statement = insert(ArtifactAliasRow).values(kind=kind, name=name, alias=alias, version=version)
        self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["kind", "name", "alias"],
                set_={"version": version, "updated_at": func.now()},
            )
        )

    def lock_name(self, kind: str, name: str) -> None:
        """Hold the name until the transaction ends, so that version numbers have no gaps or clashes."""
        self._session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"{kind}/{name}"}
        )


def _position(after: str) -> tuple[str, str, int]:
    kind, _, rest = after.partition("/")
    name, _, version = rest.rpartition("/")
    if not version.isdecimal() or int(version) > MAX_VERSION:
        raise InvalidInputError("The cursor belongs to another list.", "cursor")
    return kind, name, int(version)


def _version(row: ArtifactVersionRow) -> ArtifactVersion:
    return ArtifactVersion(
        kind=row.kind,
        name=row.name,
        version=row.version,
        manifest=row.manifest,
        files={filename: StoredFile(**file) for filename, file in row.files.items()},
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        job_id=row.job_id,
        created_at=row.created_at,
    )
