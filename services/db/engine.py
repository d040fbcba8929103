"""Connections to Postgres."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.orm import Session, sessionmaker

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_MS = 60_000
# A server that falls silent without a word, as behind a pulled cable, is given up after so long: idle
# connections ask whether it is there, and what was sent must be acknowledged. Without this a worker would
# wait for a quarter of an hour, or for ever.
SILENCE_S = 20
_ASKED = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2}

SessionFactory = sessionmaker[Session]


def make_engine(url: str, *, pool_size: int = 10) -> Engine:
    """Create an engine whose connections are tested before use and never wait for ever."""
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=pool_size,
        # Values of a failed statement may be a patient's: they belong into no log and no error of a job.
        hide_parameters=True,
        max_overflow=pool_size,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            **_ASKED,
            "tcp_user_timeout": 1000 * SILENCE_S,
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC",
        },
    )


def let_go_after(session: Session, idle_s: float) -> None:
    """Have the server end this transaction if nothing is heard of it for so long.

    A process that stands still in the midst of a transaction would hold its rows until it wakes: its
    connection lives on. When it wakes it meets `sqlalchemy.exc.InternalError`.
    """
    idle_ms = str(int(1000 * idle_s))
    session.execute(select(func.set_config("idle_in_transaction_session_timeout", idle_ms, True)))


def session_factory(engine: Engine) -> SessionFactory:
    """Sessions whose rows stay readable after commit (they are mapped to values at once)."""
    return sessionmaker(engine, expire_on_commit=False)
