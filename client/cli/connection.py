"""The options that every command shares, and the client made from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from client.errors import LocalFileError
from client.http import Client
from client.retries import RetryPolicy

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout; remarks stay on stderr.")]


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the service.

    Attributes
    ----------
    api_key
        From the environment or a file: on a command line every user of the machine could read it.
    """

    url: str
    api_key: str | None
    timeout_s: float
    attempts: int

    def open(self, *, attempts: int | None = None) -> Client:
        """Make a client; close it after use."""
        retry = RetryPolicy(attempts=attempts or self.attempts)
        return Client(self.url, self.api_key, timeout_s=self.timeout_s, retry=retry)


def connection_of(context: typer.Context) -> Connection:
    """The connection that the root command prepared."""
    connection = context.find_object(Connection)
    if connection is None:
        raise TypeError("The root command prepares the connection before any other runs.")
    return connection


def read_key(file: Path | None, from_environment: str | None) -> str | None:
    """The API key of a file, else of the environment.

    Raises
    ------
    LocalFileError
        The file cannot be read or holds nothing.
    """
    if file is None:
        return from_environment
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LocalFileError(file, "the API key cannot be read from here.") from error
    if not key:
        raise LocalFileError(file, "the file is empty; it should hold an API key.")
    return key
