"""Short transactions that outlast a database's restart or a failover."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import exc, text
from sqlalchemy.orm import Session

from services.db.engine import SessionFactory
from services.jobs.errors import DatabaseAwayError
from services.log import get_logger

Answer = TypeVar("Answer")

# Lost connections, refused ones, time-outs, deadlocks: what passes when it is tried again.
DATABASE_AWAY: Final = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError)
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0

log = get_logger(__name__)


class PatientTransactions:
    """Runs work in a transaction of its own, again and again while the database is away.

    Parameters
    ----------
    patience_s
        For how long to try before `DatabaseAwayError`.
    """

    def __init__(self, session_factory: SessionFactory, patience_s: float) -> None:
        self._session_factory = session_factory
        self._patience_s = patience_s

    def run(self, work: Callable[[Session], Answer], *, durable: bool = True) -> Answer:
        """Commit what `work` does and return its answer.

        `work` must bear repetition: the connection may have been lost after the commit.

        Parameters
        ----------
        durable
            False does not wait for the disk. A crash of the database server may then undo the
            last fraction of a second, which a claim, a lease or a progress message can bear: the
            job would merely be done again.

        Raises
        ------
        DatabaseAwayError
            The patience is at its end.
        """
        deadline = time.monotonic() + self._patience_s
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                with self._session_factory.begin() as session:
                    if not durable:
                        session.execute(text("SET LOCAL synchronous_commit TO OFF"))
                    return work(session)
            except DATABASE_AWAY as error:
                if time.monotonic() + pause_s > deadline:
                    raise DatabaseAwayError(f"The database did not answer: {error}") from error
                log.warning("database away", reason=str(error), pause_s=pause_s)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
