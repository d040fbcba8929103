"""Which database, broker and object store the tests use: embedded ones, or those that the environment names.

TEST_DATABASE_URL
    A Postgres in which databases may be made. Each run makes its own and drops it.
TEST_BROKER_URL
    A Redis or RabbitMQ. Each run has queues of its own and deletes them.
TEST_OBJECT_STORE_URL
    A bucket, with the vendor's variables that go with it. Each run has a prefix of its own and empties it.

Nothing else in those servers is read or changed. Tests that are about the embedded engines, or that
kill an engine, start their own.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import obstore
from sqlalchemy import make_url, text

from services.config import Settings
from services.db.engine import make_engine
from services.embedded.postgres import EmbeddedPostgres
from services.embedded.redis import EmbeddedRedis
from services.jobs.celery_dispatch import CeleryDispatcher, make_queue
from services.storage.factory import open_store

DATABASE_URL = os.environ.get("TEST_DATABASE_URL", "")
BROKER_URL = os.environ.get("TEST_BROKER_URL", "")
OBJECT_STORE_URL = os.environ.get("TEST_OBJECT_STORE_URL", "").rstrip("/")
RUN = f"karyobridge_test_{secrets.token_hex(6)}"


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """Yield the URL of an empty database: in the named server, or in one of its own in `folder`."""
    if DATABASE_URL:
        with own_database(DATABASE_URL) as url:
            yield url
        return
    with EmbeddedPostgres(folder, durable=False) as postgres:
        yield postgres.url


@contextmanager
def own_database(server_url: str) -> Iterator[str]:
    """Make an empty database in the server that a URL leads to; at the end it is dropped."""
    name = f"{RUN}_{secrets.token_hex(4)}"
    engine = make_engine(server_url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            # A killed worker's connection may not be gone yet.
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """Yield the URL of a broker: the named one, or a Redis of its own in `folder`."""
    if BROKER_URL:
        yield BROKER_URL
        return
    with EmbeddedRedis(folder) as redis:
        yield redis.url


def empty(settings: Settings) -> None:
    """Delete what a service with these settings has left in the named broker and the named store.

    Embedded ones go with their folders.
    """
    if settings.broker_url.get_secret_value() == BROKER_URL:
        _delete_queues(settings.gpu_queue, settings.cpu_queue)
    if OBJECT_STORE_URL and settings.object_store_url.startswith(f"{OBJECT_STORE_URL}/{RUN}/"):
        remove(settings.object_store_url)


def store_url(folder: Path) -> str:
    """Return the URL of an empty object store: a part of the named one, or the folder itself.

    Parameters
    ----------
    folder
        The same one means the same store; of a named store, a part that nobody else has.
    """
    if not OBJECT_STORE_URL:
        return folder.as_uri()
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return f"{OBJECT_STORE_URL}/{RUN}/{digest}"


def stored(url: str, room: str | None = None) -> dict[str, datetime]:
    """Return the keys of a store, or of one room in it, with the time when each was last written."""
    listed = obstore.list(open_store(url)._backend, prefix=room).collect()
    return {item["path"]: item["last_modified"] for item in listed}


def remove(url: str, room: str | None = None) -> None:
    """Delete everything in a store, or in one room of it."""
    if keys := list(stored(url, room)):
        obstore.delete(open_store(url)._backend, keys)


def vendor_variables() -> dict[str, str]:
    """Return the environment variables that a process needs to reach the named store."""
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def _delete_queues(*names: str) -> None:
    dispatcher = CeleryDispatcher(BROKER_URL)
    try:
        with dispatcher._connection() as connection:
            for name in names:
                bound = make_queue(name, BROKER_URL)(connection.default_channel)
                # Kombu on Redis deletes only what this very connection has declared.
                bound.declare()
                bound.delete()
                bound.exchange.delete()
    finally:
        dispatcher.close()
