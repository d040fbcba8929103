"""When an API key was last used, to find those that nobody needs any more.

It is written beside the request and not in it: one thread, a short transaction of its own, at most one
write per key and `EVERY_S`. Whatever goes wrong there is logged, and no caller notices.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Final

from sqlalchemy import or_, update
from sqlalchemy.exc import SQLAlchemyError

from services.clock import utc_now
from services.db.engine import SessionFactory
from services.db.tables import ApiKeyRow
from services.log import get_logger

EVERY_S: Final = 300.0

log = get_logger(__name__)


class KeyUse:
    """Remembers which keys were noted lately; safe to use from several threads.

    Parameters
    ----------
    monotonic
        The clock of the intervals, in seconds.
    """

    def __init__(
        self, session_factory: SessionFactory, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._session_factory = session_factory
        self._monotonic = monotonic
        self._noted_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="key-use")

    def note(self, key_id: str) -> None:
        """Have it written that a key was used now, unless that was done lately; returns at once."""
        now = self._monotonic()
        with self._lock:
            noted_at = self._noted_at.get(key_id)
            if noted_at is not None and now - noted_at < EVERY_S:
                return
            self._noted_at[key_id] = now
        # A request that is still answered while the process ends finds the thread gone.
        with suppress(RuntimeError):
            self._executor.submit(self._write, key_id)

    def close(self) -> None:
        """Give the thread up; what was not written yet is not missed."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _write(self, key_id: str) -> None:
        now = utc_now()
        # Several processes serve the same key: whoever comes second within the interval changes nothing.
        lately = now - timedelta(seconds=EVERY_S)
        stale = or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at < lately)
        change = update(ApiKeyRow).where(ApiKeyRow.id == key_id, stale).values(last_used_at=now)
        try:
            with self._session_factory.begin() as session:
                session.execute(change)
        except SQLAlchemyError as error:
            log.warning("use of a key was not noted", key_id=key_id, error=type(error).__name__)
