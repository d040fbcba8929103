"""Connections to Postgres."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_MS = 60_000

SessionFactory = sessionmaker[Session]


def make_engine(url: str, *, pool_size: int = 10) -> Engine:
    """Create an engine whose connections are tested before use and never wait for ever."""
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC",
        },
    )


def session_factory(engine: Engine) -> SessionFactory:
    """Sessions whose rows stay readable after commit (they are mapped to values at once)."""
    return sessionmaker(engine, expire_on_commit=False)
