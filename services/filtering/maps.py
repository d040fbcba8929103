"""The map of a filtering job, as a page and as a picture, found again for the API.

A job's result names the keys, so no path that a client sends ever reaches the store.
"""

from __future__ import annotations

from typing import Literal

from services.db.engine import SessionFactory
from services.errors import KaryobridgeError, NotFoundError
from services.jobs.repository import JobRepository
from services.jobs.types import Job
from services.storage.base import ObjectStore

MapKind = Literal["html", "png"]


def has_map(job: Job) -> bool:
    """Tell whether a job drew its map."""
    return "html_key" in (job.result.get("map") or {})


class MapMissingError(NotFoundError):
    """A filter came without its map; or a job is none that filters, has not ended, or made no map."""

    code = "map_missing"
    title = "There is no map"

    def __init__(self, whose: str, why: str) -> None:
        KaryobridgeError.__init__(self, f"{whose} has no map: {why}")


class MapService:
    """Finds maps of filtering jobs."""

    def __init__(self, session_factory: SessionFactory, store: ObjectStore) -> None:
        self._session_factory = session_factory
        self._store = store

    def get(self, job_id: str, kind: MapKind) -> bytes:
        """Page or picture of a job's map.

        Raises
        ------
        NotFoundError
            There is no such job.
        MapMissingError
            It has no map; the message says why.
        ObjectNotFoundError
            The object is gone from the store.
        """
        with self._session_factory() as session:
            job = JobRepository(session).get(job_id)
        whose = f"Job {job_id}"
        if job.kind != "filtering":
            raise MapMissingError(whose, f"it is a {job.kind} job, and only filtering jobs make one.")
        told = job.result.get("map")
        if told is None:
            ended = "it ended before it was drawn." if job.is_terminal else "it runs still."
            raise MapMissingError(whose, ended)
        if f"{kind}_key" not in told:
            raise MapMissingError(whose, told["reason"])
        return self._store.get(told[f"{kind}_key"])
