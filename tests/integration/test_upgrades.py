"""Databases of every earlier revision, brought to the newest one with rows in every table.

`tests/data/upgrades/NNNN.sql` has rows of what revision NNNN brought. A database of a revision gets the
rows of all revisions up to it, so the statements of each release also run on the schemas of all later
ones: that is what workers do that are still of the release before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from api.wiring import Wiring, wire
from services.config import Settings
from services.db.engine import make_engine
from services.db.migrate import head_revision, known_revisions, upgrade
from services.db.tables import Base
from services.jobs.dispatch import NullDispatcher
from services.jobs.sweep import sweep
from tests.support import servers
from tests.support.http import serving

pytestmark = pytest.mark.integration

ROWS = Path(__file__).resolve().parents[1] / "data" / "upgrades"
REVISIONS = sorted(known_revisions())
# What the service shows of a database, and the revision that brought it.
PAGES = {
    "/v1/jobs": "0001",
    "/v1/jobs/job_running": "0001",
    "/v1/jobs/job_ended/items": "0001",
    "/v1/batches/batch_one": "0001",
    "/v1/images/img_one": "0001",
    "/v1/crops": "0001",
    "/v1/crops/crop_segmented": "0001",
    "/v1/artifacts/segmenter/chromosome/production": "0001",
    "/v1/datasets/bars/1/items": "0002",
    "/v1/jobs/job_classified/predictions.csv": "0002",
    "/v1/crops/crop_generated": "0003",
    "/v1/jobs/job_filtered/filter_scores.csv": "0004",
    "/v1/studies": "0005",
    "/v1/crops/crop_simulated": "0006",
}
# No release changes a row of it.
NEVER_CHANGED = {"audit"}

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Upgraded:
    """A database that was filled at an earlier revision, with what it held before and holds now.

    Attributes
    ----------
    columns
        Those that each table had at that revision.
    """

    revision: str
    engine: Engine
    columns: dict[str, list[str]]
    before: Rows
    after: Rows


@pytest.fixture(scope="module", params=REVISIONS)
def upgraded(database_url: str, request: pytest.FixtureRequest) -> Iterator[Upgraded]:
    """A database of each revision in turn, brought to the newest one."""
    with servers.own_database(database_url) as url:
        engine = make_engine(url)
        fill(engine, request.param)
        columns = columns_of(engine)
        before = rows_of(engine, columns)
        upgrade(engine)
        yield Upgraded(request.param, engine, columns, before, rows_of(engine, columns))
        engine.dispose()


def fill(engine: Engine, revision: str) -> None:
    """Bring an empty database to a revision, and rows into its tables."""
    upgrade(engine, revision)
    with engine.begin() as connection:
        for known in REVISIONS[: REVISIONS.index(revision) + 1]:
            connection.exec_driver_sql((ROWS / f"{known}.sql").read_text())


def rows_of(engine: Engine, columns: dict[str, list[str]]) -> Rows:
    """Read everything, with the given columns of each table."""
    found: Rows = {}
    with engine.connect() as connection:
        for table, names in columns.items():
            listed = ", ".join(f'"{name}"' for name in names)
            rows = connection.execute(text(f"SELECT {listed} FROM {table} ORDER BY {listed}"))  # noqa: S608 - ours
            found[table] = [dict(row) for row in rows.mappings()]
    return found


def columns_of(engine: Engine) -> dict[str, list[str]]:
    """Return the columns of each of our tables that can be sorted by."""
    looked = inspect(engine)
    tables = set(looked.get_table_names()) - {"alembic_version"}
    return {table: [column["name"] for column in looked.get_columns(table)] for table in sorted(tables)}


def service_on(engine: Engine, folder: Path) -> Wiring:
    """The service on an upgraded database."""
    settings = Settings(
        _env_file=None,
        database_url=engine.url.render_as_string(hide_password=False),
        object_store_url=folder.as_uri(),
    )
    return wire(settings, engine=engine, dispatcher=NullDispatcher())


class TestRows:
    def test_are_there_for_every_revision(self) -> None:
        """Whoever adds a migration writes down what a database of that revision may hold."""
        assert REVISIONS == sorted(path.stem for path in ROWS.glob("*.sql"))

    def test_fill_every_table(self, upgraded: Upgraded) -> None:
        """No table that a revision knew stays untried."""
        assert [] == [table for table, rows in upgraded.before.items() if not rows]


class TestUpgrade:
    def test_keeps_every_row(self, upgraded: Upgraded) -> None:
        """All values are what they were."""
        assert upgraded.before == upgraded.after

    def test_ends_as_a_fresh_database(self, upgraded: Upgraded) -> None:
        """The schema is what the code declares, wherever the way began."""
        with upgraded.engine.connect() as connection:
            differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)

        assert differences == []

    def test_lets_the_release_before_go_on_writing(self, upgraded: Upgraded) -> None:
        """An UPDATE of every column that a release knew is accepted after the upgrade."""
        with upgraded.engine.begin() as connection:
            for table in upgraded.columns.keys() - NEVER_CHANGED:
                same = ", ".join(f'"{name}" = "{name}"' for name in upgraded.columns[table])
                changed = connection.execute(text(f"UPDATE {table} SET {same}")).rowcount  # noqa: S608 - ours

                assert len(upgraded.before[table]) == changed, table

    def test_is_read_by_the_service(self, upgraded: Upgraded, tmp_path: Path) -> None:
        """Every page that shows an old row can be opened."""
        wiring = service_on(upgraded.engine, tmp_path)
        with serving(wiring) as url, httpx.Client(base_url=url, timeout=60) as client:
            answers = {page: client.get(page) for page, since in PAGES.items() if since <= upgraded.revision}
        wiring.close()

        assert {page: answer.text for page, answer in answers.items() if answer.status_code != 200} == {}

    def test_loses_no_job(self, upgraded: Upgraded, tmp_path: Path) -> None:
        """A job that was running when its worker was stopped for the upgrade is queued again by the sweep."""
        wiring = service_on(upgraded.engine, tmp_path)
        with wiring.sessions.begin() as session:
            session.execute(
                text("UPDATE jobs SET lease_expires_at = now() - interval '1 s' WHERE lease_token <> ''")
            )
        sweep(wiring.sessions, NullDispatcher(), wiring.settings)
        statuses = {
            job: wiring.jobs.get(job).status for job in ("job_queued", "job_running", "job_cancelling")
        }
        wiring.close()

        assert {"job_queued": "queued", "job_running": "queued", "job_cancelling": "cancelled"} == statuses


class TestNewestRevision:
    def test_is_the_last_of_a_line(self) -> None:
        """Revisions are numbered in the order in which they are applied."""
        assert REVISIONS[-1] == head_revision()
        assert [f"{number:04d}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS
