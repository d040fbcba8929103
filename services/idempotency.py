"""The first answer to a request, given again when a client repeats it.

A key passes through three states in its row: locked (the first request is being worked on),
answered, and, if its process died, abandoned, whereupon a repetition takes over. Abandoned means that
nobody holds the key's advisory lock, which the database takes away from a process that dies, or at the
latest that `locked_until`, by the database's clock, has lapsed. `locked_until` is also the fence: whoever
lost the lock cannot write an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Function, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.db.tables import IdempotencyKeyRow, JsonObject
from services.errors import ConflictError, InvalidInputError

# So long may a process take from claiming a key to guarding it.
GUARDED_WITHIN: Final = timedelta(seconds=5)


class IdempotencyKeyReusedError(InvalidInputError):
    """The key was used before with another request."""

    code = "idempotency_key_reused"
    title = "The Idempotency-Key belongs to another request"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key came before with another path or body; use a new key for a new request.",
            "Idempotency-Key",
        )


class IdempotencyInFlightError(ConflictError):
    """The first request with this key has not been answered yet."""

    code = "idempotency_in_flight"
    title = "The first request with this Idempotency-Key is still being worked on"

    def __init__(self) -> None:
        super().__init__("Wait a moment, then send the same request again to get the first one's answer.")


@dataclass(frozen=True)
class Answer:
    """What was, or is to be, answered: status, the headers that matter, and a JSON body."""

    status: int
    headers: dict[str, str]
    body: JsonObject


@dataclass(frozen=True)
class Lock:
    """The right to answer first."""

    caller: str
    key: str
    locked_until: datetime


class IdempotencyService:
    """Claims keys and keeps answers; flushes, and leaves the commit to the edge."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(self, caller: str, key: str, fingerprint: str, lock_s: float) -> Lock | Answer:
        """Claim `key`, or return the answer that the first request got.

        Parameters
        ----------
        caller
            Id of the API key; two callers may use the same Idempotency-Key.
        fingerprint
            Digest of all that makes two requests the same.
        lock_s
            Seconds after which the first request counts as lost.

        Raises
        ------
        IdempotencyKeyReusedError
            The fingerprint differs from the first request's.
        IdempotencyInFlightError
            The first request holds the key and has not answered.
        """
        held_for = timedelta(seconds=lock_s)
        claim = (
            insert(IdempotencyKeyRow)
            .values(caller=caller, key=key, fingerprint=fingerprint, locked_until=func.now() + held_for)
            .on_conflict_do_nothing()
            .returning(IdempotencyKeyRow.locked_until)
        )
        locked_until = self._session.scalar(claim)
        if locked_until is not None:
            return Lock(caller, key, locked_until)
        return self._repeated(caller, key, fingerprint, held_for)

    def guard(self, lock: Lock) -> None:
        """Show until the end of the transaction that somebody works on the request.

        The database forgets it with the connection, so that a process that is killed leaves a key that
        can be taken over at once.
        """
        self._session.execute(select(func.pg_advisory_xact_lock(_guard(lock.caller, lock.key))))

    def _repeated(self, caller: str, key: str, fingerprint: str, held_for: timedelta) -> Lock | Answer:
        found = self._session.execute(
            select(IdempotencyKeyRow, func.now())
            .where(IdempotencyKeyRow.caller == caller, IdempotencyKeyRow.key == key)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one_or_none()
        if found is None:  # released between the two statements
            raise IdempotencyInFlightError
        row, now = found
        if row.fingerprint != fingerprint:
            raise IdempotencyKeyReusedError
        if row.status is not None:
            return Answer(row.status, dict(row.headers or {}), row.body or {})
        claimed_at = row.locked_until - held_for
        if row.locked_until > now and (now - claimed_at < GUARDED_WITHIN or self._guarded(caller, key)):
            raise IdempotencyInFlightError
        row.locked_until = now + held_for
        self._session.flush()
        return Lock(caller, key, row.locked_until)

    def _guarded(self, caller: str, key: str) -> bool:
        return not self._session.scalar(select(func.pg_try_advisory_xact_lock(_guard(caller, key))))

    def finish(self, lock: Lock, answer: Answer) -> None:
        """Keep the answer, in the same transaction as what the request did.

        Raises
        ------
        IdempotencyInFlightError
            The lock lapsed and another request took over: the caller must roll back.
        """
        change = (
            update(IdempotencyKeyRow)
            .where(*_held(lock))
            .values(status=answer.status, headers=answer.headers, body=answer.body)
            .returning(IdempotencyKeyRow.key)
        )
        if self._session.scalar(change) is None:
            raise IdempotencyInFlightError

    def release(self, lock: Lock) -> None:
        """Forget a request that ended in an error, so that a corrected one may use the key."""
        self._session.execute(delete(IdempotencyKeyRow).where(*_held(lock)))


def _guard(caller: str, key: str) -> Function[int]:
    return func.hashtextextended(f"{caller} {key}", 0)


def _held(lock: Lock) -> tuple[ColumnElement[bool], ...]:
    return (
        IdempotencyKeyRow.caller == lock.caller,
        IdempotencyKeyRow.key == lock.key,
        IdempotencyKeyRow.status.is_(None),
        IdempotencyKeyRow.locked_until == lock.locked_until,
    )
