"""What is checked: settings, where the parts are, and what the person who asks allows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine

from services.config import Settings
from services.db.engine import make_engine


@dataclass(frozen=True)
class Installation:
    """One installation, as seen from this process.

    Attributes
    ----------
    database_url, broker_url
        Of the settings, or of the embedded engines of this data directory; empty where neither is there.
    api_url
        Address of the API, if it is to be asked, and a key for it.
    run_jobs
        Whether diagnostic jobs may be submitted, and how long to wait for each.
    """

    settings: Settings
    database_url: str
    broker_url: str
    api_url: str | None = None
    api_key: str | None = None
    run_jobs: bool = True
    job_within_s: float = 60.0

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """Connect to the database for the length of one check."""
        engine = make_engine(self.database_url, pool_size=1)
        try:
            yield engine
        finally:
            engine.dispose()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Open one connection."""
        with self.engine() as engine, engine.connect() as connection:
            yield connection


def find_installation(
    settings: Settings,
    *,
    api_url: str | None = None,
    api_key: str | None = None,
    run_jobs: bool = True,
    job_within_s: float = 60.0,
) -> Installation:
    """Find the parts that the settings name, or that ``make serve`` runs in their data directory."""
    return Installation(
        settings=settings,
        database_url=settings.database_url.get_secret_value() or _embedded("postgres", settings.data_dir),
        broker_url=settings.broker_url.get_secret_value() or _embedded("redis", settings.data_dir),
        api_url=api_url,
        api_key=api_key,
        run_jobs=run_jobs,
        job_within_s=job_within_s,
    )


def _embedded(engine: str, data_dir: Path) -> str:
    """Return the URL of an embedded engine that runs now, else nothing."""
    # The images do without the embedded engines, and then every URL is set.
    from services.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415
    from services.embedded.redis import EmbeddedRedis  # noqa: PLC0415

    known = EmbeddedPostgres(data_dir) if engine == "postgres" else EmbeddedRedis(data_dir)
    return known.running_url()
