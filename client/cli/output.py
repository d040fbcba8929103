"""What people and programs see: tables and progress bars, or JSON.

With ``--json`` stdout carries JSON and nothing else. Progress and remarks always go to stderr, so
they never mix with a result. Nothing that a server or a file name says is taken as markup, and its
control characters never reach the terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

# Tables that go to a file or a pipe must not be cut at a terminal's width.
WIDTH_WITHOUT_TERMINAL = 240

_SHORT_S = 90
_MINUTES_PER_HOUR = 60
_HOURS_PER_DAY = 24

STATUS_STYLES = {
    "succeeded": "green",
    "stored": "green",
    "duplicate": "cyan",
    "running": "cyan",
    "queued": "blue",
    "partial": "yellow",
    "cancelling": "yellow",
    "failed": "red",
    "rejected": "red",
    "cancelled": "magenta",
}


def stdout() -> Console:
    """The console of results; made anew so that it follows a redirected `sys.stdout`."""
    return _console(stderr=False)


def stderr() -> Console:
    """The console of everything else."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=width, soft_wrap=False)


def plain(value: Any) -> str:
    """Text without control characters; None becomes a dash."""
    if value is None or value == "":
        return "-"
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def duration(seconds: float) -> str:
    """Say how long something takes, no more exactly than anybody needs."""
    minutes = round(seconds / 60)
    if seconds < _SHORT_S:
        return f"{seconds:.0f} s"
    if minutes < 2 * _MINUTES_PER_HOUR:
        return f"{minutes} min"
    hours, rest = divmod(minutes, _MINUTES_PER_HOUR)
    if hours < 2 * _HOURS_PER_DAY:
        return f"{hours} h {rest} min"
    return f"{hours // _HOURS_PER_DAY} d {hours % _HOURS_PER_DAY} h"


def complain(text: str) -> None:
    """Say on stderr why the command ends."""
    stderr().print(plain(text), style="bold red", soft_wrap=True)


def remark(text: str) -> None:
    """Say something on stderr that is not the result."""
    stderr().print(plain(text), soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_json_line(value: Any) -> None:
    """Print JSON on one line of stdout, for streams."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """Print a table on stdout; a column called ``status`` is coloured by its value."""
    table = Table(title=title, box=None, header_style="bold", pad_edge=False, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold", justify="left")
    for row in rows:
        style = next((STATUS_STYLES[v] for v in row if isinstance(v, str) and v in STATUS_STYLES), None)
        table.add_row(*(plain(value) for value in row), style=style if style == "red" else None)
    stdout().print(table)


def print_facts(facts: Iterable[tuple[str, Any]]) -> None:
    """Print names and values below each other."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, plain(value))
    stdout().print(table)


@contextmanager
def byte_progress() -> Iterator[Progress]:
    """A progress bar in bytes on stderr, or nothing where there is no terminal."""
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    ]
    with _progress(columns) as progress:
        yield progress


@contextmanager
def count_progress() -> Iterator[Progress]:
    """A progress bar in pieces on stderr, or nothing where there is no terminal."""
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    ]
    with _progress(columns) as progress:
        yield progress


@contextmanager
def _progress(columns: Sequence[ProgressColumn]) -> Iterator[Progress]:
    console = stderr()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress
