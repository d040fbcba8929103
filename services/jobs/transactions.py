"""Short transactions that outlast a database's restart or a failover."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from sqlalchemy import Engine, event, exc
from sqlalchemy.orm import Session

from services.db.engine import SessionFactory, let_go_after, make_engine, session_factory
from services.jobs.errors import DatabaseAwayError
from services.log import get_logger

Answer = TypeVar("Answer")

# Lost connections, refused ones, time-outs, deadlocks: what passes when it is tried again. The server's word
# for a transaction that stood still for too long is an internal error.
DATABASE_AWAY: Final = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError)
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0

log = get_logger(__name__)


class PatientTransactions:
    """Runs work in a transaction of its own, again and again while the database is away.

    Parameters
    ----------
    durable
        Sessions whose commits wait for the disk.
    relaxed
        Sessions that commit each statement at once without waiting, see `relaxed_sessions`.
    patience_s
        For how long to try before `DatabaseAwayError`. A transaction in which nothing happens for so
        long is ended by the server, so that a worker that stands still holds no job.
    """

    def __init__(self, durable: SessionFactory, relaxed: SessionFactory, patience_s: float) -> None:
        self._durable = durable
        self._relaxed = relaxed
        self._patience_s = patience_s

    def run(self, work: Callable[[Session], Answer], *, durable: bool = True) -> Answer:
        """Commit what `work` does and return its answer.

        `work` must bear repetition: the connection may have been lost after the commit.

        Parameters
        ----------
        durable
            False commits each statement by itself and does not wait for the disk. A crash of the
            database server may then undo the last fraction of a second, which a claim, a lease or
            a progress message can bear: the job would merely be done again.

        Raises
        ------
        DatabaseAwayError
            The patience is at its end.
        """
        sessions = self._durable if durable else self._relaxed
        deadline = time.monotonic() + self._patience_s
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                with sessions.begin() as session:
                    if durable:
                        let_go_after(session, self._patience_s)
                    return work(session)
            except DATABASE_AWAY as error:
                if time.monotonic() + pause_s > deadline:
                    raise DatabaseAwayError(f"The database did not answer: {error}") from error
                log.warning("database away", reason=str(error), pause_s=pause_s)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def relaxed_sessions(url: str, pool_size: int) -> tuple[Engine, SessionFactory]:
    """Make an engine, to be disposed of by the caller, whose single statements commit without waiting."""
    engine = make_engine(url, pool_size=pool_size)

    def relax(connection: Any, _record: Any) -> None:
        connection.autocommit = True
        connection.execute("SET synchronous_commit TO OFF")
        connection.autocommit = False

    event.listen(engine, "connect", relax)
    return engine, session_factory(engine.execution_options(isolation_level="AUTOCOMMIT"))
