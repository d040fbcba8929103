"""Alembic's entry: runs on the connection it is handed, or on DATABASE_URL for the alembic command."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from services.config import load_settings
from services.db.engine import make_engine
from services.db.tables import Base


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    with make_engine(load_settings().database_url.get_secret_value()).begin() as own:
        _run(own)
