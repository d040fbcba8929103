"""The quality report of a generation job: stored when it is made, and found again for the API.

The figures and the list of pictures are one JSON object in the store, each picture is another. A
job's result names the former alone, so no path that a client sends ever reaches the store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.db.engine import SessionFactory
from services.errors import KaryobridgeError, NotFoundError
from services.jobs.repository import JobRepository
from services.storage.base import ObjectStore
from services.storage.keys import content_key, sha256_hex

PICTURE_SUFFIX: Final = ".png"


class QualityMissingError(NotFoundError):
    """The job is none that generates, has not ended, or made no report."""

    code = "quality_missing"
    title = "The job has no quality report"

    def __init__(self, job_id: str, why: str) -> None:
        KaryobridgeError.__init__(self, f"Job {job_id} has no quality report: {why}")


@dataclass(frozen=True)
class Report:
    """What was found, and which pictures show it.

    Attributes
    ----------
    compared_with
        Data set, as ``name/version``, whose training aberrations were the yardstick.
    classifier
        Whose embeddings were compared, or None if there was none.
    figures
        By kind of comparison; see `models.quality.report`.
    pictures
        Name without suffix to key.
    """

    compared_with: str
    classifier: str | None
    figures: Mapping[str, Any]
    pictures: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return what is stored."""
        return {
            "compared_with": self.compared_with,
            "classifier": self.classifier,
            "figures": dict(self.figures),
            "pictures": dict(self.pictures),
        }


def put_pictures(store: ObjectStore, pictures: Mapping[str, bytes]) -> dict[str, str]:
    """Store PNG files by name; returns name without suffix to key."""
    keys = {}
    for filename, content in pictures.items():
        key = content_key("reports", sha256_hex(content), PICTURE_SUFFIX)
        if not store.exists(key):
            store.put(key, content)
        keys[filename.removesuffix(PICTURE_SUFFIX)] = key
    return keys


def put_report(store: ObjectStore, report: Report) -> str:
    """Store a report, of which every number must be finite, and return its key."""
    content = json.dumps(report.to_json(), allow_nan=False, separators=(",", ":")).encode()
    key = content_key("reports", sha256_hex(content), ".json")
    if not store.exists(key):
        store.put(key, content)
    return key


class ReportService:
    """Finds reports and their pictures."""

    def __init__(self, session_factory: SessionFactory, store: ObjectStore) -> None:
        self._session_factory = session_factory
        self._store = store

    def get(self, job_id: str) -> Report:
        """The report of a job.

        Raises
        ------
        NotFoundError
            There is no such job.
        QualityMissingError
            It has no report; the message says why.
        ObjectNotFoundError
            The object is gone from the store.
        """
        with self._session_factory() as session:
            job = JobRepository(session).get(job_id)
        if job.kind != "generation":
            raise QualityMissingError(job_id, f"it is a {job.kind} job, and only generation jobs make one.")
        quality = job.result.get("quality")
        if quality is None:
            ended = "it was not asked for, or nothing was generated." if job.is_terminal else "it runs still."
            raise QualityMissingError(job_id, ended)
        if "report_key" not in quality:
            raise QualityMissingError(job_id, quality["reason"])
        return Report(**json.loads(self._store.get(quality["report_key"])))

    def picture(self, job_id: str, name: str) -> bytes:
        """PNG of one of a report's pictures; raises as `get`, and if the report has no such picture."""
        pictures = self.get(job_id).pictures
        if name not in pictures:
            known = ", ".join(sorted(pictures)) or "none"
            raise QualityPictureMissingError(job_id, name, known)
        return self._store.get(pictures[name])


class QualityPictureMissingError(NotFoundError):
    """The report has other pictures."""

    code = "quality_picture_missing"
    title = "The report has no such picture"

    def __init__(self, job_id: str, name: str, known: str) -> None:
        KaryobridgeError.__init__(
            self, f"The quality report of job {job_id} has no picture {name!r}; it has {known}."
        )
