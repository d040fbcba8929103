"""Removes promised files that nobody took, and what remains of those that were taken.

It has a thread of its own in the sweeper: a store that is slow or away must not hold up the jobs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from services.clock import utc_now
from services.config import Settings
from services.db.engine import SessionFactory, make_engine, session_factory
from services.incoming.repository import IncomingRepository
from services.jobs.transactions import DATABASE_AWAY
from services.log import get_logger
from services.storage.base import ObjectStore, StoreUnavailableError
from services.storage.factory import open_store

EVERY_S: Final = 60.0
MAX_AT_ONCE: Final = 500
# A signed URL is checked when a transfer begins; one that began in the last moment may take a while.
GRACE: Final = timedelta(hours=6)

# A store that is away is waited for by nobody: what was begun is harmless to repeat.
_PATIENCE_S: Final = 5.0

log = get_logger(__name__)


@contextmanager
def running_remover(settings: Settings, stop: threading.Event) -> Iterator[None]:
    """Remove expired uploads in a thread for the length of a ``with`` block, or until told to stop."""
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1)
    thread = threading.Thread(
        target=keep_removing,
        args=(session_factory(engine), settings.store_url, stop),
        name="incoming",
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_PATIENCE_S)
        engine.dispose()


def remove_expired(sessions: SessionFactory, store: ObjectStore) -> int:
    """Remove some expired files, the object first, then the row; returns how many.

    Raises
    ------
    StoreUnavailableError
        The rows stay, and the next turn tries again.
    """
    with sessions() as session:
        expired = IncomingRepository(session).expired(utc_now() - GRACE, MAX_AT_ONCE)
    for file in expired:
        store.delete(file.object_key)
    if expired:
        with sessions.begin() as session:
            IncomingRepository(session).remove([file.id for file in expired])
        log.info("expired uploads removed", count=len(expired))
    return len(expired)


def keep_removing(
    sessions: SessionFactory, store_url: str, stop: threading.Event, every_s: float = EVERY_S
) -> None:
    """Remove every minute until told to stop, whatever is away."""
    while not stop.is_set():
        try:
            remove_expired(sessions, open_store(store_url))
        except (StoreUnavailableError, *DATABASE_AWAY) as error:
            log.warning("expired uploads were not removed", reason=str(error).partition("\n")[0])
        stop.wait(every_s)
