"""Errors as named things: each class carries a stable `code`, and its message says what to do.

Nothing here knows HTTP; `api.errors` holds the one table that turns codes into statuses, and the
task runner stores `problem_of(error)` in the job's row.
"""

from __future__ import annotations

from typing import ClassVar, TypedDict


class Problem(TypedDict):
    """What a client is told about an error: a stable code, a title, and what to do."""

    code: str
    title: str
    detail: str


class KaryobridgeError(Exception):
    """Base of every expected error."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "The request could not be carried out"


class InvalidInputError(KaryobridgeError):
    """A value is malformed or out of range."""

    code = "invalid_input"
    title = "The input is not valid"

    def __init__(self, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.field = field


class NotFoundError(KaryobridgeError):
    """No such thing, or none that this caller may see."""

    code = "not_found"
    title = "Not found"

    def __init__(self, what: str, identity: str) -> None:
        super().__init__(f"There is no {what} {identity!r}.")


class ConflictError(KaryobridgeError):
    """The thing exists, but its state does not allow this."""

    code = "conflict"
    title = "The current state does not allow this"


class TransientError(KaryobridgeError):
    """Something that is usually there is away; trying again later is right."""

    code = "temporarily_unavailable"
    title = "A part of the service is away"


class UnsupportedHereError(KaryobridgeError):
    """What was asked cannot be done by this installation, for example CUDA without a GPU."""

    code = "unsupported_here"
    title = "This installation cannot do that"


def problem_of(error: KaryobridgeError) -> Problem:
    """Return what may be shown of an error to whoever asked."""
    return Problem(code=error.code, title=error.title, detail=str(error))
