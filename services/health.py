"""Whether the parts that a process leans on answer, asked with a deadline.

A part that hangs must not hang whoever asks, nor collect threads: each probe has one thread, and
while an earlier question is unanswered no second one is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as AnswerTimeoutError
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from services.errors import TransientError
from services.redaction import redact

DEFAULT_TIMEOUT_S = 2.0


class DatabaseAwayError(TransientError):
    """The database did not answer a trivial query."""

    code = "database_unavailable"
    title = "The database is away"


@dataclass(frozen=True)
class PartHealth:
    """What one part answered."""

    name: str
    ok: bool
    detail: str


class Probe:
    """Asks one part, and waits no longer than `timeout_s`.

    Parameters
    ----------
    check
        Returns if the part answers, and raises `TransientError` otherwise.
    """

    def __init__(self, name: str, check: Callable[[], None], timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self.name = name
        self._check = check
        self._timeout_s = timeout_s
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"probe-{name}")
        self._pending: Future[None] | None = None
        self._lock = Lock()

    def start(self) -> Future[None]:
        """Ask, unless an earlier question is still open."""
        with self._lock:
            if self._pending is None or self._pending.done():
                self._pending = self._executor.submit(self._check)
            return self._pending

    def outcome(self, question: Future[None]) -> PartHealth:
        """Wait for the answer."""
        try:
            question.result(self._timeout_s)
        except AnswerTimeoutError:
            return PartHealth(self.name, ok=False, detail=f"No answer within {self._timeout_s:g} s.")
        except TransientError as error:
            return PartHealth(self.name, ok=False, detail=redact(str(error)))
        return PartHealth(self.name, ok=True, detail="")

    def close(self) -> None:
        """Give the thread up; an answer that is still awaited is not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class Health:
    """All the parts, asked at the same time."""

    def __init__(
        self, checks: Mapping[str, Callable[[], None]], timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> None:
        self._probes = [Probe(name, check, timeout_s) for name, check in checks.items()]

    def ask(self) -> list[PartHealth]:
        """Ask every part; takes about as long as the slowest, and at most its timeout per part."""
        questions = [(probe, probe.start()) for probe in self._probes]
        return [probe.outcome(question) for probe, question in questions]

    def close(self) -> None:
        """Give the threads up."""
        for probe in self._probes:
            probe.close()


def check_database(engine: Engine) -> None:
    """Raise `DatabaseAwayError` unless the database answers."""
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        raise DatabaseAwayError(f"The database does not answer ({type(error).__name__}).") from error
