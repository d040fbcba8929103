"""What all tests share: a real Postgres, empty for each test that asks for it, and no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from services.db.engine import SessionFactory, make_engine, session_factory
from services.db.migrate import upgrade
from services.db.tables import Base
from tests.support import servers
from tests.support.seaweed import s3_server

__all__ = ["s3_server"]


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a migrated database; it ends with the test run."""
    with servers.database(tmp_path_factory.mktemp("postgres")) as url:
        engine = make_engine(url)
        upgrade(engine)
        engine.dispose()
        yield url


@pytest.fixture(scope="session")
def database_engine(database_url: str) -> Iterator[Engine]:
    """Connections to the database, for the whole run."""
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(database_engine: Engine) -> SessionFactory:
    """Sessions on a database whose tables are empty."""
    tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
    with database_engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {tables} CASCADE"))
    return session_factory(database_engine)
