"""Runs the work of a POST once per Idempotency-Key, and gives its first answer again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.auth import CurrentCaller
from services.db.engine import SessionFactory
from services.idempotency import Answer, IdempotencyService, Lock

REPLAYED_HEADER: Final = "Idempotency-Replayed"
# Longer than any POST takes; a first request that nobody works on any more is taken over sooner.
LOCK_S: Final = 300.0

_KEY = Header(
    alias="Idempotency-Key",
    min_length=1,
    max_length=255,
    pattern=r"^[\x21-\x7e]+$",
    description="Any unique text, for example a UUID. The same key with the same request gets the first "
    "answer again, for at least 24 hours; errors are not kept, so a corrected request may use the key again.",
    examples=["5f0c2b1e-6a55-4d0e-9d3c-0a4c6f6a2b11"],
)


@dataclass(frozen=True)
class Once:
    """One POST of one caller."""

    sessions: SessionFactory
    caller: str
    key: str | None
    target: str

    def __call__(self, content: Mapping[str, Any], work: Callable[[Session], Answer]) -> JSONResponse:
        """Do the work, or repeat the answer that it gave before.

        Parameters
        ----------
        content
            All that makes two requests the same, as JSON: the body's fields, and hashes of files.
        work
            Flushes what it does to the session it is given: that is committed together with the
            answer, so that neither is ever kept without the other.

        Raises
        ------
        IdempotencyKeyReusedError, IdempotencyInFlightError
            See `services.idempotency`.
        """
        if self.key is None:
            with self.sessions.begin() as session:
                return _response(work(session))
        with self.sessions.begin() as session:
            claim = IdempotencyService(session).begin(
                self.caller, self.key, self._fingerprint(content), LOCK_S
            )
        if isinstance(claim, Answer):
            return _response(claim, replayed=True)
        return self._first(claim, work)

    def _first(self, lock: Lock, work: Callable[[Session], Answer]) -> JSONResponse:
        with ExitStack() as on_error:
            on_error.callback(self._release, lock)
            with self.sessions.begin() as session:
                IdempotencyService(session).guard(lock)
                answer = work(session)
                IdempotencyService(session).finish(lock, _kept(answer))
            on_error.pop_all()
        return _response(answer)

    def _release(self, lock: Lock) -> None:
        with self.sessions.begin() as session:
            IdempotencyService(session).release(lock)

    def _fingerprint(self, content: Mapping[str, Any]) -> str:
        text = json.dumps([self.target, content], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def once(
    request: Request, caller: CurrentCaller, idempotency_key: Annotated[str | None, _KEY] = None
) -> Once:
    """Dependency of every POST."""
    target = f"{request.method} {request.url.path}?{request.url.query}"
    return Once(request.app.state.wiring.sessions, caller.id, idempotency_key, target)


OnceOnly = Annotated[Once, Depends(once)]

SECRET_FIELDS: Final = frozenset({"key", "secret"})


def _kept(answer: Answer) -> Answer:
    """What is stored of an answer: everything but secrets, which are shown once and never again."""
    body = {name: None if name in SECRET_FIELDS else value for name, value in answer.body.items()}
    return Answer(answer.status, answer.headers, body)


def _response(answer: Answer, *, replayed: bool = False) -> JSONResponse:
    headers = {**answer.headers, REPLAYED_HEADER: "true"} if replayed else answer.headers
    return JSONResponse(answer.body, answer.status, headers=headers)
