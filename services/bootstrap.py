"""Brings database and store to the state every process expects: ``python -m services.bootstrap``.

Run before the API and the workers start; the supervisor does it on one machine, the ``migrate``
service of docker-compose.yml on a cluster. Running it twice, or from two places at once, is harmless.
"""

from __future__ import annotations

import sys

from sqlalchemy.exc import OperationalError

from services.artifacts.shipped import register_shipped
from services.artifacts.types import ArtifactVersion
from services.config import Settings, load_settings
from services.db.engine import make_engine, session_factory
from services.db.migrate import head_revision, upgrade
from services.errors import InvalidInputError, KaryobridgeError
from services.log import configure_logging
from services.redaction import secrets_of
from services.storage.factory import open_store


def bootstrap(settings: Settings) -> list[ArtifactVersion]:
    """Apply migrations and register the shipped weights; returns the registered versions.

    Raises
    ------
    InvalidInputError
        No database is named.
    """
    url = settings.database_url.get_secret_value()
    if not url:
        raise InvalidInputError("Set DATABASE_URL; `make serve` starts a database of its own instead.")
    store = open_store(settings.store_url)
    store.check()
    engine = make_engine(url)
    try:
        upgrade(engine)
        return register_shipped(session_factory(engine), store)
    finally:
        engine.dispose()


def main() -> int:
    """Bootstrap what the settings name; returns the exit status."""
    try:
        settings = load_settings()
        configure_logging(settings.log_level, settings.log_format, secrets_of(settings))
        versions = bootstrap(settings)
    except KaryobridgeError as error:
        return _refuse(str(error))
    except OperationalError as error:
        return _refuse(f"the database does not answer: {str(error.orig).strip()}")
    names = ", ".join(f"{version.name}/{version.version}" for version in versions) or "none"
    print(f"The database is at revision {head_revision()}; shipped artifacts: {names}.")  # noqa: T201 - as above
    return 0


def _refuse(reason: str) -> int:
    print(f"Cannot prepare the service: {reason}", file=sys.stderr)  # noqa: T201 - a command's answer
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
