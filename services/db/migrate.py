"""Bring a database to the newest schema: ``python -m services.db.migrate``."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from services.config import load_settings
from services.db.engine import make_engine

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_ID = 0x6B617279  # two starting servers must not migrate at once


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Apply every pending migration; several processes may call this at the same time."""
    with engine.begin() as connection:
        # An index on millions of rows, or another process that migrates, takes longer than a request may.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _LOCK_ID})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def head_revision() -> str | None:
    """Name of the newest migration that this code knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def known_revisions() -> frozenset[str]:
    """Names of all migrations that this code knows."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _config() -> Config:
    config = Config()
    # Alembic reads % in paths as interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def main() -> None:
    """Upgrade the database that the settings name."""
    url = load_settings().database_url.get_secret_value()
    if not url:
        raise SystemExit("Set DATABASE_URL; the embedded database migrates itself when it starts.")
    upgrade(make_engine(url))
    print(f"The database is at revision {head_revision()}.")  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
