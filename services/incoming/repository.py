"""Rows of promised files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from services.db.tables import UploadRow
from services.incoming.types import IncomingFile


class IncomingRepository:
    """Works inside the caller's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, file: IncomingFile) -> None:
        """Insert a promised file."""
        self._session.add(
            UploadRow(
                id=file.id,
                filename=file.filename,
                size_bytes=file.size_bytes,
                object_key=file.object_key,
                created_by=file.created_by,
                created_at=file.created_at,
                expires_at=file.expires_at,
            )
        )
        self._session.flush()

    def find(self, ids: Collection[str]) -> dict[str, IncomingFile]:
        """Return those that exist, by id."""
        rows = self._session.scalars(select(UploadRow).where(UploadRow.id.in_(ids)))
        return {row.id: _file(row) for row in rows}

    def mark_used(self, ids: Collection[str]) -> set[str]:
        """Mark files that nobody has used yet; returns the ids of these.

        Of two requests that take the same file at the same time, the second waits here for the first.
        """
        change = (
            update(UploadRow)
            .where(UploadRow.id.in_(ids), UploadRow.used_at.is_(None))
            .values(used_at=func.now())
            .returning(UploadRow.id)
        )
        return set(self._session.scalars(change))

    def expired(self, before: datetime, limit: int) -> list[IncomingFile]:
        """Return some files that expired before a moment, the oldest first."""
        query = (
            select(UploadRow).where(UploadRow.expires_at < before).order_by(UploadRow.expires_at).limit(limit)
        )
        return [_file(row) for row in self._session.scalars(query)]

    def remove(self, ids: Sequence[str]) -> None:
        """Forget files whose objects are gone."""
        self._session.execute(delete(UploadRow).where(UploadRow.id.in_(ids)))


def _file(row: UploadRow) -> IncomingFile:
    return IncomingFile(
        id=row.id,
        filename=row.filename,
        size_bytes=row.size_bytes,
        object_key=row.object_key,
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )
