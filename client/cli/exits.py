"""Exit codes, documented in docs/client.md, and the one place that turns errors into them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from http import HTTPStatus
from typing import Any

import typer
from typer.core import TyperGroup

from client.cli.output import complain
from client.errors import (
    ClientError,
    ConnectionFailedError,
    InvalidArgumentError,
    LocalFileError,
    ProblemError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from client.records import Job


class ExitCode(IntEnum):
    """What a script can branch on."""

    OK = 0
    JOB_FAILED = 1
    USAGE = 2
    PARTIAL = 3
    UNAVAILABLE = 4
    REFUSED = 5
    INTERRUPTED = 130


_JOB_EXITS = {
    "succeeded": ExitCode.OK,
    "partial": ExitCode.PARTIAL,
    "failed": ExitCode.JOB_FAILED,
    "cancelled": ExitCode.JOB_FAILED,
}
_SEVERITY = (ExitCode.OK, ExitCode.PARTIAL, ExitCode.JOB_FAILED)


def exit_code_of_jobs(jobs: Iterable[Job]) -> ExitCode:
    """The worst end among jobs; a job that has not ended counts as well."""
    codes = [_JOB_EXITS.get(job.status, ExitCode.OK) for job in jobs]
    return max(codes, key=_SEVERITY.index, default=ExitCode.OK)


def exit_code_of_error(error: ClientError) -> ExitCode:
    """What the process ends with after an error."""
    if isinstance(error, InvalidArgumentError | LocalFileError):
        return ExitCode.USAGE
    if isinstance(error, ConnectionFailedError | UnexpectedAnswerError | WaitTimeoutError):
        return ExitCode.UNAVAILABLE
    if isinstance(error, ProblemError):
        busy = error.status == HTTPStatus.TOO_MANY_REQUESTS
        broken = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return ExitCode.UNAVAILABLE if busy or broken else ExitCode.REFUSED
    return ExitCode.JOB_FAILED


class ErrorExits(TyperGroup):
    """A group whose commands may raise client errors; nobody sees a traceback for those."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command and end the process with the right code."""
        try:
            return super().invoke(ctx)
        except ClientError as error:
            complain(str(error))
            raise typer.Exit(exit_code_of_error(error)) from error
        except KeyboardInterrupt as error:
            complain("Interrupted. What was done so far stays; the same command continues.")
            raise typer.Exit(ExitCode.INTERRUPTED) from error
