"""What can go wrong between this client and the service, as classes with a stable `code`.

`ProblemError` is the service's own word (problem+json); the others are found on this side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

_MAX_SHOWN_ERRORS = 5


class ClientError(Exception):
    """Base of every expected error of the client."""

    code: ClassVar[str] = "client_error"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One entry of a problem's `errors`: which field, and what is wrong with it."""

    field: str
    message: str


class ProblemError(ClientError):
    """The service refused or failed, and said why.

    Attributes
    ----------
    status
        The HTTP status.
    problem_code
        The service's stable code, for example ``not_found``.
    title, detail
        Its words for a person.
    errors
        Field by field, for invalid input.
    request_id
        Names the request in the service's logs, where the answer carried it.
    """

    code = "problem"

    def __init__(
        self,
        status: int,
        problem_code: str,
        *,
        title: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        request_id: str | None = None,
    ) -> None:
        self.status = status
        self.problem_code = problem_code
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.request_id = request_id
        super().__init__(self._text())

    @classmethod
    def from_body(cls, status: int, body: Mapping[str, Any], request_id: str | None = None) -> ProblemError:
        """Read a problem+json body; missing members become readable defaults."""
        listed = body.get("errors")
        errors = [
            FieldError(str(entry.get("field", "")), str(entry.get("message", "")))
            for entry in (listed if isinstance(listed, list) else [])
            if isinstance(entry, Mapping)
        ]
        title = str(body.get("title") or f"HTTP status {status}")
        return cls(
            status,
            str(body.get("code") or f"http_{status}"),
            title=title,
            detail=str(body.get("detail") or title),
            errors=errors,
            request_id=request_id,
        )

    def _text(self) -> str:
        shown = [f"{error.field}: {error.message}" for error in self.errors[:_MAX_SHOWN_ERRORS]]
        hidden = len(self.errors) - len(shown)
        lines = [f"{self.detail} [{self.status} {self.problem_code}]", *shown]
        if hidden > 0:
            lines.append(f"and {hidden} more")
        return "\n  ".join(lines)


class ConnectionFailedError(ClientError):
    """No answer came: the service is away, or the address is wrong."""

    code = "connection_failed"

    def __init__(self, url: str, reason: str, advice: str) -> None:
        self.url = url
        super().__init__(f"No answer from {url}: {reason}. {advice}")


class UnexpectedAnswerError(ClientError):
    """Something answered, but it does not speak this contract."""

    code = "unexpected_answer"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"{url} answered, but not as Karyobridge does ({reason}). Check that the address is the "
            "service's own, not a proxy's login page, and that the versions of client and service match."
        )


class LocalFileError(ClientError):
    """A file or folder on this side cannot be used."""

    code = "local_file"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


class InvalidArgumentError(ClientError):
    """An argument makes no sense; nothing was sent."""

    code = "invalid_argument"


class WaitTimeoutError(ClientError):
    """The job had not ended when the caller's patience did. The job itself goes on."""

    code = "wait_timeout"

    def __init__(self, job_id: str, seconds: float) -> None:
        self.job_id = job_id
        super().__init__(
            f"Job {job_id} has not ended after {seconds:.0f} s. It goes on; watch it again later."
        )
