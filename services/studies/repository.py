"""The only place that builds queries about studies."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.artifacts.repository import ArtifactRepository
from services.artifacts.types import ArtifactVersion
from services.db.tables import ArtifactVersionRow, JobRow
from services.jobs.params import StudyParams
from services.pagination import Page, PageRequest

KIND: Final = "study"
_UNFINISHED: Final = ("queued", "running")


class StudyRepository:
    """Studies that have ended, through one session: versions of artifacts of their own kind."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def list_page(self, page: PageRequest) -> Page[ArtifactVersion]:
        """Every study, by name and number."""
        return ArtifactRepository(self._session).list_page(KIND, page)

    def refs_on(self, dataset_sha256: str) -> list[str]:
        """Studies that have looked at the test split of this very content, oldest first.

        Who looks at a test split again and again, and changes something in between, fits to it in the end.
        So every study tells how often that happened before.
        """
        row = ArtifactVersionRow
        content = row.manifest["study"]["dataset"]["sha256"].astext
        query = (
            select(row.name, row.version)
            .where(row.kind == KIND, content == dataset_sha256)
            .order_by(row.created_at, row.name, row.version)
        )
        return [f"{name}/{version}" for name, version in self._session.execute(query)]

    def newest(self) -> ArtifactVersion | None:
        """Return the study that ended last, or None."""
        row = ArtifactVersionRow
        query = select(row.name, row.version).where(row.kind == KIND).order_by(row.created_at.desc()).limit(1)
        found = self._session.execute(query).first()
        return None if found is None else ArtifactRepository(self._session).get(KIND, *found)

    def unfinished_job(self, params: StudyParams) -> str | None:
        """Return the first job that is at work on this very study, or waits for it; None if there is none."""
        told = params.model_dump(mode="json", include=set(StudyParams.model_fields))
        query = (
            select(JobRow.id)
            .where(JobRow.kind == KIND, JobRow.status.in_(_UNFINISHED), JobRow.params == told)
            .order_by(JobRow.id)
            .limit(1)
        )
        return self._session.scalar(query)
